"""A feed's figures between two looks."""

from kitecli.gateway.pace import Pace


def stats(ticks, frames, size, *, empty=0, readers=(), recording=None):
    counters = {"ticks": ticks, "frames": frames, "bytes": size, "heartbeats": 9, "empty": empty}
    return {"counters": counters, "readers": list(readers), "recording": recording}


def test_each_look_tells_what_came_since_the_last():
    pace = Pace(stats(100, 10, 1_000), cpu_s=1.0)
    first = pace.since(stats(400, 40, 4_000), cpu_s=1.5, passed_s=10.0)
    assert {name: first[name] for name in ("ticks", "frames", "bytes", "ticks_per_s", "bytes_per_s")} == {
        "ticks": 300,
        "frames": 30,
        "bytes": 3_000,
        "ticks_per_s": 30.0,
        "bytes_per_s": 300.0,
    }
    assert (first["seconds"], first["cpu_percent"], first["damaged"]) == (10.0, 5.0, 0)
    second = pace.since(stats(400, 40, 4_000, empty=2), cpu_s=1.5, passed_s=10.0)
    assert (second["ticks"], second["cpu_percent"], second["damaged"]) == (0, 0.0, 2)


def test_readers_and_the_recording_are_told_as_they_stand():
    readers = [{"lost": 5, "lag": 10}, {"lost": 1, "lag": 90}]
    recording = {"state": "on", "bytes": 77, "unrecorded": 0, "free_bytes": 1_000}
    figures = Pace(stats(0, 0, 0), 0.0).since(stats(0, 0, 0, readers=readers, recording=recording), 0.0, 60.0)
    assert (figures["readers"], figures["reader_lost"], figures["reader_lag"]) == (2, 6, 90)
    assert (figures["recording_bytes"], figures["recording_free_bytes"]) == (77, 1_000)
    starting = Pace(stats(0, 0, 0), 0.0).since(stats(0, 0, 0, recording={"state": "starting"}), 0.0, 60.0)
    assert not [name for name in starting if name.startswith("recording")]
