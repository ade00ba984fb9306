"""The sender: tries again, gives up, and never keeps anybody waiting."""

from __future__ import annotations

import threading

import pytest

from kitecli.alerts.delivery import Post, Undelivered
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.alerts.sender import ROOM, AlertSender
from kitecli.errors import EnvironmentProblem, KiteError
from kitecli.secret import Secret
from tests.alerts.receiving import Receiver


def alert(number: int = 0) -> Alert:
    return Alert("outage", f"alert {number}", "", "3461f530", 0)


class Told:
    """What became of each."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, bool]] = []
        self.one = threading.Event()

    def __call__(self, channel: str, told: Alert, error: KiteError | None) -> None:
        self.all.append((channel, told.what, error is None))
        self.one.set()


class Channel:
    """Fails as often as it is told, with or without hope."""

    def __init__(self, fails: int, *, again: bool = True) -> None:
        self.fails, self.again, self.tries = fails, again, 0

    def deliver(self, plan: AlertPlan, channel: str, alert: Alert) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise Undelivered(EnvironmentProblem("no"), again=self.again)


@pytest.mark.parametrize(
    ("fails", "again", "tries", "arrived"),
    [(0, True, 1, True), (3, True, 4, True), (4, True, 4, False), (1, False, 1, False)],
)
def test_it_tries_four_times_where_there_is_hope(fails: int, again: bool, tries: int, arrived: bool):
    channel, told = Channel(fails, again=again), Told()
    sender = AlertSender(AlertPlan(("webhook",)), channel, told, waits_s=(0.0, 0.0, 0.0))
    sender.post(alert())
    assert told.one.wait(20)
    assert sender.close(20)
    assert (channel.tries, told.all) == (tries, [("webhook", "alert 0", arrived)])


def test_each_channel_gets_each_alert_in_order(receiver: Receiver):
    plan = AlertPlan(
        ("telegram", "webhook"),
        telegram_root=receiver.root,
        telegram_token=Secret("1:t"),
        webhook_url=Secret(f"{receiver.root}/hook"),
    )
    told = Told()
    sender = AlertSender(plan, Post(), told)
    assert all(sender.post(alert(number)) for number in range(5))
    assert sender.close(20)
    assert told.all == [(channel, f"alert {n}", True) for n in range(5) for channel in ("telegram", "webhook")]
    assert [path for path, _ in receiver.received] == ["/bot1:t/sendMessage", "/hook"] * 5


def test_a_server_that_hangs_keeps_nobody_waiting_and_fills_no_memory(receiver: Receiver):
    receiver.hold.clear()
    plan = AlertPlan(("webhook",), webhook_url=Secret(f"{receiver.root}/hook"))
    sender = AlertSender(plan, Post(), Told())
    taken = sum(sender.post(alert(number)) for number in range(10 * ROOM))
    assert taken in (ROOM, ROOM + 1)
    assert not sender.close(0.01)
    receiver.hold.set()
    assert sender.close(20)


def test_at_the_end_what_waits_is_tried_once_and_no_pause_is_made():
    channel, told = Channel(1_000), Told()
    sender = AlertSender(AlertPlan(("webhook",)), channel, told, waits_s=(600.0, 600.0, 600.0))
    sender.post(alert(1))
    sender.post(alert(2))
    assert sender.close(20)
    assert told.all == [("webhook", "alert 1", False), ("webhook", "alert 2", False)]
    assert channel.tries == 2
