"""The thread that does what may take long: in order, with a limit, and nobody waits for it."""

from __future__ import annotations

import threading

from kitecli.logs.courier import Courier


def test_all_is_done_in_order_by_one_thread_that_begins_with_the_first():
    done: list[tuple[int, str]] = []
    courier: Courier[int] = Courier(lambda item: done.append((item, threading.current_thread().name)), "tester")
    assert "tester" not in {thread.name for thread in threading.enumerate()}
    assert all(courier.post(number) for number in range(1_000))
    assert courier.close(10)
    assert done == [(number, "tester") for number in range(1_000)]


def test_who_posts_to_one_that_hangs_never_waits_and_what_finds_no_room_is_counted():
    hang, done = threading.Event(), []

    def work(item: int) -> None:
        hang.wait(30)
        done.append(item)

    courier: Courier[int] = Courier(work, "tester", room=10)
    taken = [courier.post(number) for number in range(100)]
    assert sum(taken) in (10, 11), "one may be in its hands already"
    assert courier.take_lost() == 100 - sum(taken)
    assert courier.take_lost() == 0
    assert not courier.close(0.01)
    hang.set()
    assert courier.close(10)
    assert done == list(range(sum(taken)))


def test_a_closed_one_takes_nothing_and_one_that_was_never_used_has_no_thread():
    courier: Courier[int] = Courier(lambda _: None, "tester")
    assert courier.close(0)
    assert not courier.post(1)
    assert courier.take_lost() == 1
