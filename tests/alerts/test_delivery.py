"""One alert over HTTP: what arrives, and what is made of each refusal."""

from __future__ import annotations

import socket

import pytest

from kitecli.alerts.delivery import Post, Undelivered
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.errors import ConfigError
from kitecli.secret import Secret
from tests.alerts.receiving import Receiver

ALERT = Alert("outage", "No ticks", "a reset", "3461f530", 1_771_559_100_000_000_000)
TOKEN = "123456:canary-token"


@pytest.fixture(scope="module")
def post() -> Post:
    return Post()


def plan_of(root: str) -> AlertPlan:
    return AlertPlan(
        ("telegram", "webhook"),
        telegram_root=root,
        telegram_chat="42",
        telegram_token=Secret(TOKEN),
        webhook_url=Secret(f"{root}/hook/canary-hook"),
    )


def refusal(post: Post, plan: AlertPlan, channel: str) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        post.deliver(plan, channel, ALERT)
    assert "canary" not in f"{raised.value} {raised.value.error.as_dict()}"
    return raised.value


def test_both_channels_arrive(receiver: Receiver, post: Post):
    for channel in ("telegram", "webhook"):
        post.deliver(plan_of(receiver.root), channel, ALERT)
    [(bot, told), (hook, fields)] = receiver.received
    assert (bot, told["chat_id"]) == (f"/bot{TOKEN}/sendMessage", "42")
    assert (hook, fields["kind"]) == ("/hook/canary-hook", "outage")


def test_telegrams_reason_is_told_and_a_wrong_token_not_tried_again(receiver: Receiver, post: Post):
    receiver.answers = [(401, b'{"ok":false,"error_code":401,"description":"Unauthorized"}', {})]
    failure = refusal(post, plan_of(receiver.root), "telegram")
    assert (failure.again, failure.error.why) == (False, "HTTP 401: Unauthorized")
    assert "telegram" in failure.error.what


@pytest.mark.parametrize(
    ("answer", "after_s"),
    [
        ((429, b'{"description":"Too Many Requests","parameters":{"retry_after":7}}', {}), 7.0),
        ((429, b"slow down", {"Retry-After": "3"}), 3.0),
        ((500, b"", {}), 0.0),
        ((503, b"<html>", {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}), 0.0),
    ],
)
def test_what_may_work_later_is_tried_again_when_the_server_says(
    receiver: Receiver, post: Post, answer: tuple[int, bytes, dict[str, str]], after_s: float
):
    receiver.answers = [answer]
    failure = refusal(post, plan_of(receiver.root), "webhook")
    assert (failure.again, failure.after_s) == (True, after_s)
    assert failure.error.why.startswith(f"HTTP {answer[0]}")


def test_a_redirect_is_no_place_to_take_a_secret_to(receiver: Receiver, post: Post):
    receiver.answers = [(302, b"", {"Location": f"{receiver.root}/elsewhere"})]
    failure = refusal(post, plan_of(receiver.root), "webhook")
    assert not failure.again
    assert len(receiver.received) == 1


def test_nobody_there_is_worth_another_try(post: Post):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        failure = refusal(post, plan_of(f"http://127.0.0.1:{taken.getsockname()[1]}"), "webhook")
    assert failure.again
    assert "refused" in failure.error.why


@pytest.mark.parametrize("address", ["canary", "", "https://", "file:///etc/canary", "http://example.com/canary"])
def test_what_is_no_address_is_said_without_quoting_it(post: Post, address: str):
    plan = AlertPlan(("webhook",), webhook_url=Secret(address))
    with pytest.raises(Undelivered) as raised:
        post.deliver(plan, "webhook", ALERT)
    assert "canary" not in str(raised.value)
    assert isinstance(raised.value.error, ConfigError)
