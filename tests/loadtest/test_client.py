"""A client does what it is told, in its order, and answers with what it has counted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from kitecli.loadtest.client import Job, main, serve
from kitecli.loadtest.tally import ClientTally


class FakeClient:
    """Every look brings one tick."""

    feed_pid = 77

    def __init__(self) -> None:
        self.tally = ClientTally([1])
        self.did: list[str] = []

    def go(self) -> None:
        self.did.append("go")

    def quiet(self) -> None:
        self.did.append("quiet")

    def read(self, timeout_s: float) -> None:
        self.tally.count(np.array([1], np.uint32))

    def figures(self) -> dict[str, object]:
        return {"gaps": 3}

    def close(self) -> None:
        pass


def served(orders: list[str | None]) -> tuple[FakeClient, list[dict]]:
    client, answers = FakeClient(), []
    waiting: Iterator[str | None] = iter(orders)
    serve(client, lambda: next(waiting), answers.append)
    return client, answers


def test_orders_are_done_in_turn_while_ticks_are_read():
    client, answers = served([None, "go", "begin", None, "end", "quiet", "count", "done"])
    assert client.did == ["go", "quiet"]
    assert [answer["say"] for answer in answers] == ["ready", "count", "done"]
    assert answers[0]["pid"] == 77
    assert answers[1]["ticks"] == 6
    assert (answers[2]["ticks"], answers[2]["tokens"], answers[2]["gaps"]) == (7, {1: 7}, 3)
    assert answers[2]["seconds"] > 0
    json.dumps(answers)


def test_a_job_crosses_a_pipe_in_one_line():
    job = Job("{}", [1, 2], "full", 1000, "reader 1", 3)
    assert "\n" not in job.to_line()
    assert Job.from_line(job.to_line()) == job


def test_a_client_that_cannot_start_says_why(monkeypatch, capsys):
    import io

    from kitecli.gateway.spec import GatewaySpec

    spec = GatewaySpec("ws://127.0.0.1:1", "key", {}, 64, None, connections=1, instruments_per_connection=0)
    job = Job(spec.to_line(), [1], "quote", 0, "reader 1", 1)
    monkeypatch.setattr("sys.stdin", io.StringIO(Job(job.spec, [1], "quote", 1, "x", 1).to_line() + "\nnothing\n"))
    monkeypatch.setattr("kitecli.loadtest.client._client", refuse)
    assert main("kite") == 8
    assert json.loads(capsys.readouterr().out)["what"] == "no room"


def refuse(*_: object) -> None:
    from kitecli.errors import EnvironmentProblem

    raise EnvironmentProblem("no room")
