"""A feed's log and alerts, over real sockets and files; and that neither can hurt it."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from kitecli.alerts.plan import AlertPlan
from kitecli.errors import HandshakeForbidden
from kitecli.gateway.embedded import EmbeddedGateway
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.messages import Hello, Status, Stop
from kitecli.gateway.reports import NotedDesk, Reports
from kitecli.gateway.spec import GatewayEvent
from kitecli.hot import COMPILED
from kitecli.logs.plan import LogPlan
from kitecli.logs.running import begin, current
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

REFUSED = GatewayEvent("connection", 0, "auth", 5, error=HandshakeForbidden("No", why="HTTP 403").as_dict())


def written(folder):
    path = folder / "kite.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Figures:
    """A gateway's figures, which grow by themselves."""

    def __init__(self):
        self.asked = 0

    def stats(self):
        self.asked += 1
        counters = {"ticks": 1_000 * self.asked, "frames": self.asked, "bytes": self.asked}
        return {"counters": counters, "readers": [], "recording": None}


def reported(spec, events, *, gateway=None, until=lambda: True):
    """Have a feed of that spec say ``events``; returns what its clients heard."""
    heard = []
    reports = Reports(spec)

    async def run():
        say = reports.hearing(heard.append)
        if gateway is not None:
            reports.begin(gateway)
        for event in events:
            say(event)
        deadline = time.monotonic() + 20
        while not until() and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    asyncio.run(run())
    reports.close()
    assert current() is None
    return heard


@pytest.fixture
def spec(spec_of, exchange, tmp_path):
    return replace(spec_of(exchange), logs=LogPlan(str(tmp_path / "logs"), performance_s=0), label="simulated")


def test_events_are_handed_on_and_written_with_the_feeds_name(spec, tmp_path):
    events = [GatewayEvent("connection", 0, "live", 5), GatewayEvent("stopped", data="a test")]
    assert reported(spec, events) == events
    lines = written(tmp_path / "logs")
    assert [line["what"] for line in lines] == [
        "the feed simulated begins",
        "connection 0 is live",
        "the feed ends: a test",
        "the feed's process ends",
    ]
    assert {line["feed"] for line in lines} == {spec.name}
    assert len({line["run"] for line in lines}) == 1


def test_figures_are_written_every_so_often(spec, tmp_path):
    spec = replace(spec, logs=replace(spec.logs, performance_s=0.02))
    figures = Figures()
    reported(spec, [], gateway=figures, until=lambda: figures.asked >= 3)
    lines = [line for line in written(tmp_path / "logs") if line["component"] == "performance"]
    assert len(lines) >= 2
    assert lines[0]["ticks"] == 1_000
    assert lines[0]["what"].endswith("0 ticks lost by readers")


def test_without_plans_nothing_is_written_or_asked(spec, tmp_path):
    figures = Figures()
    reported(replace(spec, logs=None), [REFUSED], gateway=figures)
    assert (figures.asked, (tmp_path / "logs").exists()) == (0, False)


def test_a_log_that_can_t_be_written_is_told_once_to_the_clients_and_nothing_else_happens(spec, tmp_path):
    (tmp_path / "logs").write_text("no folder")
    heard = []
    live = [GatewayEvent("connection", 0, "live", number) for number in range(50)]
    reports = Reports(spec)

    async def run():
        say = reports.hearing(heard.append)
        for event in live:
            say(event)
        deadline = time.monotonic() + 20
        while len(heard) <= len(live) and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    asyncio.run(run())
    reports.close()
    [problem] = [event for event in heard if event.kind == "message"]
    assert (problem.state, problem.error["error"]) == ("log", "environment")
    assert [event for event in heard if event.kind == "connection"] == live


def test_an_alert_goes_out_and_stands_in_the_log_without_its_secret(spec, tmp_path, receiver):
    plan = AlertPlan(("webhook",), webhook_url=Secret(f"{receiver.root}/canary-hook"))
    reported(replace(spec, alerts=plan), [REFUSED, REFUSED])
    [(path, alert)] = receiver.received
    assert (path, alert["kind"], alert["feed"]) == ("/canary-hook", "token", spec.name)
    [line] = [line for line in written(tmp_path / "logs") if line["component"] == "alerts"]
    assert line["what"] == "alert sent by webhook: The broker refuses the access token"
    assert "canary" not in (tmp_path / "logs" / "kite.log").read_text()


def test_an_outage_is_told_when_it_has_lasted(spec, receiver):
    plan = AlertPlan(("webhook",), webhook_url=Secret(f"{receiver.root}/hook"), outage_after_s=0.05)
    record = {"number": 1, "connection": 0, "tokens": [1], "from_ns": 5, "to_ns": None, "cause": "a reset"}
    reported(replace(spec, alerts=plan), [GatewayEvent("gap", 0, data=record)], until=lambda: receiver.received)
    assert receiver.received[0][1]["kind"] == "outage"


def test_an_alert_that_can_t_be_sent_is_written_down(spec, tmp_path, receiver):
    receiver.answers = [(404, b"no such hook", {})]
    plan = AlertPlan(("webhook",), webhook_url=Secret(f"{receiver.root}/canary-hook"))
    reported(replace(spec, alerts=plan), [REFUSED])
    [line] = [line for line in written(tmp_path / "logs") if line["component"] == "alerts"]
    assert (line["level"], line["error"]["why"]) == ("error", "HTTP 404: no such hook")


class Desk:
    """Answers nothing."""

    def join(self, client, hello):
        return {}

    def greetings(self):
        return []

    def answer(self, client, request):
        return {}

    def leave(self, client):
        pass


def test_clients_are_written_down_and_onlookers_only_at_the_level_debug(tmp_path):
    log = begin(LogPlan(str(tmp_path), "info", {"clients": "info"}), lambda _: None)
    desk = NotedDesk(Desk(), "3461f530")
    desk.join(1, Hello("my scanner", 4711))
    desk.join(2, Hello("kite status", 4712, observer=True))
    desk.answer(1, Status())
    for client in (1, 1, 2):
        desk.leave(client)
    log.leave(log._hearers[0])
    assert [(line["what"], line["client"]) for line in written(tmp_path)] == [
        ("my scanner (process 4711) joins", 1),
        ("my scanner (process 4711) leaves", 1),
    ]


def test_an_embedded_feed_writes_too(spec, tmp_path, until):
    gateway = EmbeddedGateway(replace(spec, folder=None), "a test")
    assert until(lambda: any(line["what"] == "connection 0 is live" for line in written(tmp_path / "logs")))
    gateway.ask(Stop())
    assert gateway.leave(20)
    assert written(tmp_path / "logs")[-1]["what"] == "the feed's process ends"


@pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")
def test_a_feed_s_process_writes_and_alerts_and_keeps_its_secrets(spec, tmp_path, until, receiver):
    """The token dies, and a connection with it: the one who isn't looking is told."""
    with launch(SimOptions(instruments=3, rate_limits=False, faults="version: 1")) as sim:
        plan = AlertPlan(("webhook",), webhook_url=Secret(f"{receiver.root}/canary-hook"))
        spec = replace(
            spec, ws_root=sim.ws_url, api_key=sim.api_key, access_token=Secret(sim.access_token), alerts=plan
        )
        with open_gateway(spec, client="a test") as handle:
            assert until(lambda: any("is live" in line["what"] for line in written(tmp_path / "logs")))
            dead = sim.access_token
            sim.renew_token()
            sim.fault("rst")
            assert until(lambda: receiver.received)
            handle.stop()
        assert until(lambda: written(tmp_path / "logs")[-1]["what"] == "the feed's process ends")
    assert receiver.received[0][1]["kind"] == "token"
    text = (tmp_path / "logs" / "kite.log").read_text()
    assert "connection 0 is auth" in text
    assert "a test (process" in text
    assert dead not in text + json.dumps(receiver.received[0][1])
    assert "canary" not in text
