"""Starting a gateway's process: what its starter learns, and what stays behind when that goes wrong."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem, FeedError
from kitecli.gateway import launch as launching
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.launch import launch
from kitecli.gateway.lock import FeedCard, FeedPlace
from kitecli.hot import COMPILED
from kitecli.ring.locks import LockFile

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")


@pytest.fixture
def place_of():
    return lambda spec: FeedPlace(Path(spec.folder), spec.name)


def test_it_listens_when_launch_returns_and_ends_with_a_starter_that_never_joins(exchange, spec_of, place_of):
    spec = spec_of(exchange, {408065: "full"})
    launched = launch(spec)
    card = FeedCard.read(place_of(spec).card)
    assert card is not None
    assert (card.pid, card.name) == (launched.pid, spec.name)
    assert not launched.ended(0)
    launched.let_go()
    assert launched.ended(10)
    assert list(Path(spec.folder).iterdir()) == []


def test_who_is_second_is_told_so(exchange, spec_of, place_of):
    spec = spec_of(exchange)
    held = LockFile.take(place_of(spec).lock)
    assert held is not None
    assert launch(spec) is None
    assert place_of(spec).held()
    held.release()


def test_what_keeps_it_from_starting_is_raised_and_leaves_nothing(exchange, spec_of):
    spec = spec_of(exchange, ring_size=1 << 50)
    with pytest.raises(EnvironmentProblem):
        launch(spec)
    assert list(Path(spec.folder).iterdir()) == []


@pytest.mark.parametrize("make", [lambda _: None, Path.touch], ids=["no folder", "a file"])
def test_where_its_files_can_t_be_kept_is_said(exchange, spec_of, tmp_path, make):
    make(tmp_path / "nowhere")
    with pytest.raises(EnvironmentProblem, match=r"can't be kept in .*nowhere\. N.*KITE_RUNTIME_DIR"):
        launch(spec_of(exchange, folder=str(tmp_path / "nowhere")))
    with pytest.raises(EnvironmentProblem, match="can't be kept in"):
        open_gateway(spec_of(exchange, folder=str(tmp_path / "nowhere")))


def test_a_start_that_fails_behind_its_ring_leaves_none(exchange, spec_of, tmp_path):
    """Where a path has room for the ring's name, and none for its seats'."""
    folder = tmp_path
    left = os.pathconf(tmp_path, "PC_PATH_MAX") - 1 - len(f"{tmp_path}/feed-01234567.ring")
    while left:
        name = "x" * (left - 1 if left <= 100 else min(100, left - 3))  # a last one of no letters would be none
        folder, left = folder / name, left - len(name) - 1
    folder.mkdir(mode=0o700, parents=True)
    with pytest.raises(EnvironmentProblem, match="name too long"):
        launch(spec_of(exchange, folder=str(folder)))
    assert list(folder.iterdir()) == []


def test_a_python_that_doesn_t_come_up_says_why(exchange, spec_of, monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such module' >&2\nexec >&-\nsleep 0.2\nexit 3\n")  # as a dying process does
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(FeedError, match=r"did not start\. it ended with code 3: no such module"):
        launch(spec_of(exchange))


def test_one_that_says_nothing_is_given_up_and_killed(exchange, spec_of, monkeypatch, tmp_path):
    hanging = tmp_path / "python"
    hanging.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(launching, "START_S", 0.3)
    with pytest.raises(FeedError, match="said nothing"):
        launch(spec_of(exchange))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_stands_apart_from_the_terminal_and_shows_no_secret(exchange, spec_of, until):
    launched = launch(spec_of(exchange))
    proc = Path(f"/proc/{launched.pid}")
    assert os.getsid(launched.pid) == launched.pid != os.getsid(0)
    for name in ("cmdline", "environ"):
        assert exchange.access_token.encode() not in (proc / name).read_bytes()
    ours = [proc / "fd" / "1", proc / "fd" / "2"]
    assert until(lambda: [link.readlink().name for link in ours] == ["null", "null"])
    launched.let_go()
    assert launched.ended(10)


def test_files_are_the_owner_s_alone_whatever_the_umask(exchange, spec_of):
    former = os.umask(0)
    try:
        launched = launch(spec := spec_of(exchange))
    finally:
        os.umask(former)
    folder = Path(spec.folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.suffix: stat.S_IMODE(path.lstat().st_mode) for path in folder.iterdir()}
    assert modes.keys() >= {".lock", ".json", ".sock", ".ring", ".seats"}
    assert set(modes.values()) == {0o600}
    launched.let_go()
    assert launched.ended(10)


def test_no_thread_stays(exchange, spec_of):
    threads = threading.active_count()
    launched = launch(spec_of(exchange))
    launched.let_go()
    assert launched.ended(10)
    assert threading.active_count() == threads
