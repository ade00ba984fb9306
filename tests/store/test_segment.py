"""One file, read from anywhere, whether or not it still grows."""

import pytest

from kitecli.errors import DataError
from kitecli.store.layout import BLOCK_BYTES, FRAME
from kitecli.store.scanning import Stop
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import StoreSettings
from tests.store.days import Day

LARGE = StoreSettings(buffer_bytes=1 << 24, floor_bytes=0)


@pytest.fixture
def growing(tmp_path):
    """A day of about five blocks that goes on."""
    day = Day(tmp_path, settings=LARGE)
    for _ in range(6):
        day.send(100, 9_300)
        day.step(0.3)
    return day


def numbers(chunks):
    return [
        int(n) for chunk in chunks for n, k in zip(chunk.rows["number"], chunk.rows["kind"], strict=True) if k == FRAME
    ]


def test_a_growing_file_is_read_and_an_ended_one_mapped(growing):
    with SegmentReader(growing.writer.path) as reader:
        walk = reader.walk()
        assert numbers(walk) == list(range(600))
        assert reader.end is None
        assert walk.stop is Stop.SHORT
    assert growing.writer.close(growing.now_s)
    with SegmentReader(growing.folder / "0001.kseg") as reader:
        walk = reader.walk()
        chunks = list(walk)
        assert numbers(chunks) == list(range(600))
        assert walk.stop is Stop.ENDED
        assert reader.end == walk.place
        assert reader.end.offset == reader.size
    assert bytes(chunks[0].data[:8])  # what was mapped stays for as long as it is held


@pytest.mark.parametrize("wanted", [0, 1_000, 1_001, 1_112, 1_113, 1_114, 1_350, 1_599, 1_600, 99_999])
def test_a_seek_comes_out_at_most_a_block_before(growing, wanted):
    with SegmentReader(growing.writer.path) as reader:
        place = reader.seek(wanted)
        assert place.offset in {reader.start.offset, *(k * BLOCK_BYTES for k in range(1, 7))}
        found = numbers(reader.walk(place))
        after = [number for number in range(600) if 1_000 + number >= wanted]
        assert found[-len(after) :] == after if after else True
        assert len(found) - len(after) <= BLOCK_BYTES // 9_300 + 1


def test_a_record_longer_than_blocks_doesnt_hide_what_follows(tmp_path):
    day = Day(tmp_path, settings=LARGE)
    day.send(3, 100)
    day.send(1, 3_500_000)
    day.send(3, 100)
    day.send(1, 2_100_000)
    day.send(200, 9_300)
    day.step()
    with SegmentReader(day.writer.path) as reader:
        assert numbers(reader.walk()) == list(range(208))
        for wanted in range(208):
            found = numbers(reader.walk(reader.seek(1_000 + wanted)))
            assert found[-1] == 207
            assert found[0] <= wanted


def test_what_the_last_mark_vouches_for(growing):
    with SegmentReader(growing.writer.path) as reader:
        place = reader.last_synced()
        assert 0 < place.offset <= reader.size
        assert place.offset % BLOCK_BYTES == 0
        assert numbers(reader.walk(place))[-1] == 599


def test_what_is_no_segment_is_refused(tmp_path):
    with pytest.raises(DataError, match="can't be read"):
        SegmentReader(tmp_path / "none")
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(DataError, match="no recording's segment"):
        SegmentReader(tmp_path / "other")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError):
        SegmentReader(tmp_path / "empty")
