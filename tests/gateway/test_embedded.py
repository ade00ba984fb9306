"""A gateway on a thread: asked by the same rules as one of a process of its own."""

from __future__ import annotations

import threading

import pytest

from kitecli.errors import EnvironmentProblem, FeedError, GatewayGone, SubscriptionError, TooManyInstruments, UsageError
from kitecli.gateway.embedded import EmbeddedGateway
from kitecli.gateway.messages import AccessToken, Status, Stop, Subscribe
from kitecli.secret import Secret


@pytest.fixture
def embed(exchange, spec_of):
    """``embed(**changes)``: a gateway on a thread, left at the end."""
    opened = []

    def start(**changes):
        opened.append(EmbeddedGateway(spec_of(exchange, folder=None, **changes), "test"))
        return opened[-1]

    yield start
    for one in opened:
        assert one.leave(10)


def test_it_is_asked_and_told_as_over_a_socket(embed):
    gateway = embed()
    assert gateway.events.get(timeout=60).kind == "ready"
    assert gateway.ask(Subscribe({408065: "full"})) == {"instruments": 1, "streamed": []}
    status = gateway.ask(Status())
    assert [(client["name"], client["instruments"]) for client in status["clients"]] == [("test", 1)]
    assert gateway.memory.path is None
    assert gateway.events.get(timeout=60).kind == "connection"


def test_what_a_socket_would_refuse_is_refused(embed):
    gateway = embed(connections=1, instruments_per_connection=10)
    for request, kind in (
        (Subscribe(dict.fromkeys(range(1 << 20, (1 << 20) + 11), "ltp")), TooManyInstruments),
        (Subscribe({0: "ltp"}), SubscriptionError),
        (Subscribe({"INFY": "ltp"}), SubscriptionError),
        (Subscribe({1: "depth"}), SubscriptionError),
        (AccessToken(Secret("")), UsageError),
    ):
        with pytest.raises(kind):
            gateway.ask(request)


def test_leaving_ends_it_and_afterwards_it_is_gone(embed):
    gateway = embed()
    assert gateway.leave(10)
    assert not gateway._thread.is_alive()
    with pytest.raises(GatewayGone):
        gateway.ask(Status())


def test_who_waits_when_it_ends_is_answered(embed):
    gateway, outcomes = embed(), []

    def ask():
        try:
            while True:
                gateway.ask(Status(), timeout_s=60)
        except GatewayGone as gone:
            outcomes.append(gone)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    gateway.ask(Stop())
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 6


def test_a_request_the_loop_never_came_to_is_answered(embed, monkeypatch, until):
    """As when it is asked in the moment between the loop's last turn and its end."""
    gateway, outcomes = embed(), []

    def ask():
        try:
            gateway.ask(Status(), timeout_s=60)
        except GatewayGone as gone:
            outcomes.append(gone)

    with monkeypatch.context() as patch:
        patch.setattr(gateway._loop, "call_soon_threadsafe", lambda *_: None)
        thread = threading.Thread(target=ask)
        thread.start()
        assert until(lambda: gateway._waiting)
    gateway.leave(10)
    thread.join(10)
    assert len(outcomes) == 1


def test_a_loop_that_has_no_turn_is_said(embed):
    gateway, go_on = embed(), threading.Event()
    gateway._loop.call_soon_threadsafe(go_on.wait, 10)
    with pytest.raises(FeedError, match="doesn't answer"):
        gateway.ask(Status(), timeout_s=0.05)
    go_on.set()
    assert gateway.ask(Status())


def test_leaving_one_whose_loop_has_no_turn_is_no_error_and_ends_it_later(embed):
    gateway, go_on = embed(), threading.Event()
    gateway._loop.call_soon_threadsafe(go_on.wait, 10)
    assert not gateway.leave(0.05)
    go_on.set()
    gateway._thread.join(10)
    assert not gateway._thread.is_alive()


def test_what_keeps_it_from_starting_is_raised(embed):
    threads = threading.active_count()
    with pytest.raises(EnvironmentProblem, match="No room"):
        embed(ring_size=1 << 50)
    assert threading.active_count() == threads
