from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.layout import HEADER_BYTES, HEADER_DTYPE, MAGIC, VERSION, RingLayout
from kitecli.ring.memory import RingMemory, no_room
from kitecli.ring.view import RingView
from kitecli.ring.writer import RingWriter
from tests.ring.implementations import REFERENCE, Ring

LAYOUT = RingLayout.of(64, 64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.ring"


def on(memory: RingMemory) -> Ring:
    return Ring(memory, REFERENCE.frame_pass(memory), REFERENCE.ring_view(memory))


def test_a_ring_file_is_its_owner_s_alone_and_has_all_its_space(path: Path):
    former = os.umask(0)
    try:
        memory = RingMemory.create(path, LAYOUT)
    finally:
        os.umask(former)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == LAYOUT.total_bytes == len(memory.buffer)
    if sys.platform == "linux":
        assert status.st_blocks * 512 >= LAYOUT.total_bytes


def test_the_header_says_what_the_drawing_says(path: Path):
    memory = RingMemory.create(path, RingLayout.of(100, 200))
    header = memory.header()[0]
    assert (header["magic"], header["version"], header["header_bytes"]) == (MAGIC, VERSION, HEADER_BYTES)
    assert (header["capacity"], header["depth_capacity"], header["board_capacity"]) == (128, 64, 256)
    assert header["total_bytes"] == path.stat().st_size
    assert header["writer_pid"] == os.getpid()
    assert header["created_ns"] > 1_700_000_000_000_000_000


def test_another_mapping_sees_what_is_written_and_can_t_write(path: Path):
    writer = on(RingMemory.create(path, LAYOUT))
    attached = RingMemory.attach(path)
    writer.write([5, 6])
    assert attached.layout == LAYOUT
    assert RingView(attached).cursor() == 2
    with pytest.raises(TypeError):
        attached.buffer[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        RingWriter(attached).beat(1)


def test_a_reader_of_a_replaced_ring_keeps_its_own(path: Path):
    former = on(RingMemory.create(path, LAYOUT))
    former.write([5, 6, 7])
    reading = RingView(RingMemory.attach(path))
    latter = on(RingMemory.create(path, RingLayout.of(256, 64)))
    latter.write([1])
    former.write([8])
    assert reading.cursor() == 4
    assert RingView(RingMemory.attach(path)).cursor() == 1


def test_removing_deletes_the_file_and_leaves_readers_their_pages(path: Path):
    writer = on(RingMemory.create(path, LAYOUT))
    reading = RingView(RingMemory.attach(path))
    writer.write([5])
    writer.memory.remove()
    writer.memory.remove()
    assert not path.exists()
    assert reading.cursor() == 1


def test_private_memory_has_no_file_and_works_alike(tmp_path: Path):
    ring = on(RingMemory.private(LAYOUT))
    ring.write([1, 2])
    ring.memory.remove()
    assert ring.memory.path is None
    assert ring.view.cursor() == 2
    assert list(tmp_path.iterdir()) == []


def test_closing_waits_for_those_who_still_look():
    memory = RingMemory.private(LAYOUT)
    header = memory.header()
    memory.close()
    assert header["capacity"] == 64
    del header
    memory.close()
    assert memory.buffer.closed


def test_no_room_is_said_before_anything_is_mapped(small_disk: Path):
    path = small_disk / "feed.ring"
    with pytest.raises(EnvironmentProblem) as problem:
        RingMemory.create(path, RingLayout.of(65_536, 64))
    assert problem.value.what == f"No room for a ring of 6 MB in {small_disk}"
    assert problem.value.why == "0.3 MB are free there"
    assert "KITE_RUNTIME_DIR" in problem.value.hint
    assert "ring_buffer_size smaller (2,048 ticks fit)" in problem.value.hint
    assert not path.exists()
    RingMemory.create(path, RingLayout.of(2048, 64))  # what was reserved in vain is free again


def test_a_container_s_shared_memory_is_named_with_its_remedy():
    problem = no_room(RingLayout.of(1_000_000), Path("/dev/shm/kite-0"), 64 << 20)
    assert problem.what == "No room for a ring of 91 MB in /dev/shm/kite-0"
    assert problem.why == "67.1 MB are free there; a container has about 64 MB unless given more"
    assert problem.hint == (
        "set KITE_RUNTIME_DIR to a roomier folder, make performance.ring_buffer_size smaller (524,288 ticks fit), "
        "or run the container with --shm-size=256m"
    )


def test_where_no_ring_fits_no_size_is_named():
    problem = no_room(RingLayout.of(1_000_000), Path("/somewhere"), 1 << 20)
    assert "smaller (--profile memory-efficiency)" in problem.hint
    assert "container" not in str(problem)


def test_a_machine_without_the_memory_says_so():
    resource = pytest.importorskip("resource", reason="needs limits a process can set itself")
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 33, former[1]))
    try:
        with pytest.raises(EnvironmentProblem, match=r"No room for a ring of .* MB in memory"):
            RingMemory.private(RingLayout.of(1 << 28))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)


def test_a_folder_that_isn_t_there_is_named(path: Path):
    missing = path.parent / "gone" / "feed.ring"
    with pytest.raises(EnvironmentProblem, match=r"No ring can be made at .*gone.*KITE_RUNTIME_DIR"):
        RingMemory.create(missing, LAYOUT)


def test_what_is_no_ring_is_refused_in_words(path: Path):
    with pytest.raises(DataError, match=r"No ring at .*kite feed --sim"):
        RingMemory.attach(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="No ring at"):
        RingMemory.attach(path)
    for other in (b"PK\x03\x04", bytes(100_000), MAGIC):
        path.write_bytes(other)
        with pytest.raises(DataError, match="is no tick ring"):
            RingMemory.attach(path)


def test_a_ring_of_another_version_is_refused_as_such(path: Path):
    RingMemory.create(path, LAYOUT)
    patch_header(path, "version", VERSION + 1)
    with pytest.raises(DataError, match=f"another version of kite.*{VERSION + 1}"):
        RingMemory.attach(path)


@pytest.mark.parametrize("keep", [HEADER_BYTES, LAYOUT.total_bytes // 2, LAYOUT.total_bytes - 1])
def test_a_truncated_ring_is_refused(path: Path, keep: int):
    RingMemory.create(path, LAYOUT)
    os.truncate(path, keep)
    with pytest.raises(DataError, match="is damaged"):
        RingMemory.attach(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("capacity", 0), ("capacity", 4096), ("capacity", 1 << 40), ("ticks_offset", 0), ("total_bytes", 1 << 50)],
)
def test_a_header_that_contradicts_itself_is_refused(path: Path, field: str, value: int):
    RingMemory.create(path, LAYOUT)
    patch_header(path, field, value)
    with pytest.raises(DataError, match="is damaged"):
        RingMemory.attach(path)


def patch_header(path: Path, field: str, value: int) -> None:
    data = bytearray(path.read_bytes())
    np.frombuffer(data, HEADER_DTYPE, 1)[field] = value
    path.write_bytes(data)
