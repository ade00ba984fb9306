"""One feed of a name: its lock, its card, and what the dead leave."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.gateway.lock import FeedCard, FeedPlace, remove, running, sweep, take
from kitecli.ring.locks import LockFile
from kitecli.secret import Secret

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="about permission bits, and removing open files")


@pytest.fixture
def place(tmp_path: Path) -> FeedPlace:
    return FeedPlace(tmp_path, "0a1b2c3d")


def card(place: FeedPlace, **changes: object) -> FeedCard:
    plain = {"version": 1, "name": place.name, "pid": 1, "ring": str(place.ring), "created_ns": 5, "label": "prod"}
    return FeedCard(**{**plain, **changes})


def litter(place: FeedPlace) -> set[str]:
    names = {f"feed-{place.name}.{kind}" for kind in ("json", "sock", "ring", "bars", "seats", "seats.07", "json.new")}
    for name in names:
        (place.folder / name).touch()
    return names


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("changes", [{"socket": "/run/a.sock"}, {"port": 4711, "token": Secret("t0p")}])
def test_a_card_is_read_as_it_was_written_and_is_its_owner_s_alone(place: FeedPlace, changes: dict[str, object]):
    former = os.umask(0)
    try:
        card(place, **changes).write(place.card)
        card(place, **changes).write(place.card)
    finally:
        os.umask(former)
    assert FeedCard.read(place.card) == card(place, **changes)
    assert place.card.stat().st_mode & 0o777 == 0o600
    assert names(place.folder) == {place.card.name}
    assert "t0p" not in repr(card(place, **changes))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version":1}', json.dumps({"token": None, "more": 1}), "\0\xff"]
)
def test_what_is_no_card_is_none(place: FeedPlace, text: str):
    place.card.write_text(text)
    assert FeedCard.read(place.card) is None


def test_a_card_with_more_on_it_than_we_know_is_read(place: FeedPlace):
    """Or the feed of a later kite would be there and not be found, and a start beside it would wait 40 s."""
    card(place, socket="/run/a.sock").write(place.card)
    place.card.write_text(json.dumps({**json.loads(place.card.read_text()), "since": "tomorrow"}))
    assert FeedCard.read(place.card) == card(place, socket="/run/a.sock")


def test_a_card_that_finds_no_room_is_said(place: FeedPlace):
    with pytest.raises(EnvironmentProblem, match="card can't be written"):
        card(place).write(place.folder / "no" / "such.json")


def test_a_name_is_held_once(place: FeedPlace):
    assert not place.held()
    held = take(place)
    assert held is not None
    assert place.held()
    assert take(place) is None
    held.release()
    assert not place.held()
    assert names(place.folder) == set()


def test_who_only_asks_keeps_nobody_from_the_lock(place: FeedPlace):
    """Asking takes the lock for a moment; a starter that met that moment insists."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            place.held()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            held = take(place)
            assert held is not None
            held.release()
            time.sleep(0.0005)
    finally:
        over.set()
        asking.join()


def test_only_the_dead_are_swept_whatever_their_process_ids_are(tmp_path: Path):
    """A living process's id stands in the dead one's card, as after the id was given out again."""
    dead, alive = FeedPlace(tmp_path, "dead0001"), FeedPlace(tmp_path, "a11fe001")
    litter(dead)
    kept = litter(alive) | {alive.lock.name, "notes.txt", "other-1.ring", "feed-"}
    dead.lock.touch()
    card(dead, pid=os.getpid()).write(dead.card)
    for name in ("notes.txt", "other-1.ring", "feed-"):
        (tmp_path / name).touch()
    held = LockFile.take(alive.lock)
    assert held is not None
    sweep(tmp_path)
    assert names(tmp_path) == kept
    held.release()
    sweep(tmp_path)
    assert names(tmp_path) == {"notes.txt", "other-1.ring", "feed-"}


def test_what_people_keep_beside_a_feed_s_files_stays(tmp_path: Path):
    """The runtime folder may be one of theirs, where kite feed --json > feed-20261124.json was said."""
    kept = {"feed-20261124.json", "feed-infy.csv", "feed-dead0001.csv", "feed-list.txt.bak"}
    for name in kept:
        (tmp_path / name).touch()
    dead = FeedPlace(tmp_path, "dead0001")
    litter(dead)
    dead.lock.touch()
    sweep(tmp_path)
    assert names(tmp_path) == kept


def test_a_socket_that_stood_elsewhere_goes_with_its_folder(place: FeedPlace, tmp_path: Path):
    short = tmp_path / "kite-x1"
    short.mkdir()
    (short / "sock").touch()
    card(place, socket=str(short / "sock")).write(place.card)
    remove(place)
    assert names(tmp_path) == set()


def test_nothing_else_of_such_a_folder_is_touched(place: FeedPlace, tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").touch()
    card(place, socket=str(home / "sock")).write(place.card)
    remove(place)
    assert names(home) == {"notes"}


def test_running_are_those_that_hold_their_lock(tmp_path: Path):
    old, new, dead = (FeedPlace(tmp_path, name) for name in ("0ld", "new", "dead"))
    for place, created_ns in ((new, 9), (old, 2), (dead, 1)):
        card(place, created_ns=created_ns).write(place.card)
    held = [LockFile.take(old.lock), LockFile.take(new.lock)]
    assert [found.name for found in running(tmp_path)] == ["0ld", "new"]
    for one in held:
        assert one is not None
        one.release()
    assert running(tmp_path) == []
