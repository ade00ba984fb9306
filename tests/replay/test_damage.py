"""What is whole, and what is lost between."""

from kitecli.replay.damage import sound_pieces
from kitecli.store.layout import FRAME, LOST
from kitecli.store.payloads import Lost
from kitecli.store.recording import Recording
from tests.replay.made import at_ns, made_day


def rows_of(pieces):
    return [
        (int(row["ts_recv_ns"]), int(row["kind"]), int(row["number"]) + piece.first)
        for piece in pieces
        for row in piece.rows
    ]


def test_of_a_sound_recording_it_gives_what_reading_gives(tmp_path):
    with made_day(tmp_path).end() as recording:
        for span in [(0, None), (at_ns(10), None), (0, at_ns(50)), (at_ns(30), at_ns(40))]:
            assert rows_of(sound_pieces(recording, *span)) == rows_of(recording.pieces(*span))


def test_a_file_that_is_missing_is_told_by_its_records(tmp_path):
    made_day(tmp_path, 200).end().close()
    first, *_ = sorted(tmp_path.glob("*.kseg"))[1:]
    with Recording.open(tmp_path) as recording:
        numbers = {int(n) for piece in recording.pieces() for n in piece.rows["number"] + piece.first}
    first.unlink()
    with Recording.open(tmp_path) as recording:
        pieces = list(sound_pieces(recording, 0, None))
    (lost,) = [piece for piece in pieces if piece.rows["kind"][0] == LOST]
    told = Lost.decoded(lost.data)
    kept = {number for _, kind, number in rows_of(pieces) if kind != LOST}
    assert numbers - kept == set(range(lost.first, told.until))


def test_a_hole_is_told_between_what_stands_around_it(tmp_path):
    made_day(tmp_path).end().close()
    path = min(tmp_path.glob("*.kseg"))
    data = bytearray(path.read_bytes())
    data[9_000] ^= 4
    path.write_bytes(data)
    with Recording.open(tmp_path) as recording:
        rows = rows_of(sound_pieces(recording, 0, None))
    at = [kind for _, kind, _ in rows].index(LOST)
    assert rows[at - 1][2] + 2 == rows[at + 1][2]
    assert sum(kind == FRAME for _, kind, _ in rows) in (84, 85)
