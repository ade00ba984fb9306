"""The script's schema: every key read, every mistake told with its line and what would have been right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from kitecli.errors import ConfigError, UsageError
from kitecli.sim.faults.kinds import (
    AfterOpen,
    At,
    Choice,
    CutHandshake,
    Every,
    Fault,
    Fin,
    Freeze,
    HalfOpen,
    Malformed,
    Merge,
    OnFrame,
    OnMessage,
    Refuse,
    Rst,
    Rule,
    Script,
    Silence,
    Slow,
    Split,
    Status,
    Tls,
    What,
)
from kitecli.sim.faults.script import parse_fault, parse_script, read_script

EVERYTHING = """\
version: 1
seed: 7
tls: good
rules:
  - at: 5s
    do: rst
  - every: 1m
    jitter: 250ms
    do: fin
    connections: [0, 2]
    times: 3
  - after_open: 0
    do: silence
    for: 1.5s
    connections: all
  - on_message: 3
    do: malformed
    form: truncated
    frames: 2
  - on_frame: 100
    do: cut_handshake
    stage: response
  - every: 2h
    do: half_open
    connections: {random: 1}
"""


def test_everything_is_read():
    rst = Rule(At(5.0), Fault(Rst()), 1, 5)
    fin = Rule(Every(60.0, 0.25), Fault(Fin(), Choice((0, 2))), 3, 7)
    silence = Rule(AfterOpen(0.0), Fault(Silence(1.5)), None, 12)
    malformed = Rule(OnMessage(3), Fault(Malformed("truncated", 2)), None, 16)
    handshake = Rule(OnFrame(100), Fault(CutHandshake(None, 1, "response")), None, 20)
    half_open = Rule(Every(7200.0), Fault(HalfOpen(), Choice(random=1)), None, 23)
    rules = (rst, fin, silence, malformed, handshake, half_open)
    assert parse_script(EVERYTHING, "x") == Script(7, "good", rules)


def test_nothing_but_the_version_is_a_script():
    assert read_script("version: 1") == Script()
    assert read_script("{version: 1, tls: off, rules: }") == Script()
    assert read_script("version: 1\nrules: []\n") == Script()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{do: rst, where: both}", Fault(Rst(), where=("ticker", "rest"))),
        ('{"do": "silence", "for": 0.5, "where": "rest"}', Fault(Silence(0.5), where=("rest",))),
        ("{do: half_open, for: 3s}", Fault(HalfOpen(3.0))),
        ("{do: slow, bytes_per_s: 1000}", Fault(Slow(bytes_per_s=1000))),
        ("{do: slow, delay: 300ms, for: 1m}", Fault(Slow(60.0, None, 0.3))),
        ("{do: split}", Fault(Split())),
        ("{do: split, into: fragments, pieces: 5, pause: 1ms}", Fault(Split(None, 5, "fragments", 0.001))),
        ("{do: merge, frames: 3, for: 2s}", Fault(Merge(2.0, 3))),
        ("{do: refuse, for: 2s}", Fault(Refuse(2.0))),
        ("{do: freeze, for: 2s, where: both}", Fault(Freeze(2.0), where=("ticker", "rest"))),
        ("{do: cut_handshake}", Fault(CutHandshake(None, 1))),
        ("{do: cut_handshake, for: 2s, stage: accept}", Fault(CutHandshake(2.0, None, "accept"))),
        ("{do: status, code: 403, until: new_token}", Fault(Status(403, until_new_token=True))),
        ("{do: status, code: 500, count: 2, body: html}", Fault(Status(500, None, 2, body="html"))),
        ("{do: tls, form: expired, count: 1}", Fault(Tls("expired", None, 1))),
    ],
)
def test_a_fault_to_be_done_now(text: str, fault: Fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- 1", 1, "must hold keys"),
        ("", 1, "must hold keys"),
        ("seed: 1", 1, "lacks version.*version must be 1"),
        ("version: 2", 1, "version can't be '2'.*it must be 1"),
        ("version: 1\nsede: 7", 2, "no key sede.*version, seed, tls, rules.*Did you mean seed"),
        ("version: 1\nseed: -1", 2, "seed can't be '-1'.*whole number of 0"),
        ("version: 1\nseed: [1]", 2, "seed can't be a list"),
        ("version: 1\nversion: 1", 2, "version is given twice"),
        ("version: 1\ntls: bad", 2, "tls can't be 'bad'.*self_signed"),
        ("version: 1\nrules: 3", 2, "rules must be a list"),
        ("version: 1\nrules:\n  - at: 5s\n  - do: rst", 3, "a rule lacks do.*one of rst, fin"),
        ("version: 1\nrules:\n  - do: rst", 3, "doesn't say when.*exactly one of at, every"),
        ("version: 1\nrules:\n  - {do: rst, at: 1s, every: 2s}", 3, "at and every.*exactly one"),
        ("version: 1\nrules:\n  - at: 5 seconds\n    do: rst", 3, "at can't be '5 seconds'.*250ms, 5s or 2m"),
        ("version: 1\nrules:\n  - every: 0s\n    do: rst", 3, "every can't be '0s'.*above 0"),
        ("version: 1\nrules:\n  - at: 5s\n    do: explode", 4, "do can't be 'explode'.*one of rst, fin"),
        ("version: 1\nrules:\n  - at: 5s\n    do: rst\n    for: 3s", 5, "rst has no key for.*connections"),
        ("version: 1\nrules:\n  - at: 5s\n    do: rst\n    times: 3", 5, "rst has no key times"),
        ("version: 1\nrules:\n  - on_message: 0\n    do: rst", 3, "on_message can't be '0'.*1 or more"),
        ("version: 1\nrules:\n  - at: 0\n    do: freeze", 3, "freeze lacks for.*duration"),
        ("version: 1\nrules:\n  - at: 0\n    do: slow", 3, "slow doesn't say how.*bytes_per_s or delay"),
        ("version: 1\nrules:\n  - at: 0\n    do: status\n    code: 403", 3, "how long.*until: new_token"),
        ("version: 1\nrules:\n  - at: 0\n    do: status\n    code: 200", 5, "code can't be '200'.*429"),
        ("version: 1\nrules:\n  - at: 0\n    do: malformed", 3, "malformed lacks form.*garbled, count"),
        ("version: 1\nrules:\n  - at: 0\n    do: split\n    pieces: 1", 5, "pieces can't be '1'.*2 or more"),
        ("version: 1\nrules:\n  - at: 0\n    do: rst\n    connections: 1", 5, r"connections can't be '1'.*\[0, 2\]"),
        ("version: 1\nrules:\n  - at: 0\n    do: rst\n    connections: [x]", 5, "connections can't be 'x'"),
        ("version: 1\nrules:\n  - at: 0\n    do: rst\n    connections: {any: 1}", 5, "connections lacks random"),
        ("version: 1\nrules:\n  - at: 0\n    do: refuse\n    for: 1s\n    connections: [0]", 6, "no key connections"),
        ("version: 1\nrules:\n  - at: 0\n    do: split\n    where: rest", 3, "REST has none"),
        ("version: 1\nrules:\n  - at: 0\n    do: rst\n    where: rest\n    connections: [0]", 3, "REST's connections"),
        ("version: 1\nrules:\n  - at: 0\n    do: rst\n    where: here", 5, "where can't be 'here'.*both"),
        ("version: 1\nrules:\n  - after_open: 1s\n    do: rst\n    where: rest", 3, "of the ticker's connections"),
        (
            "version: 1\nrules:\n  - on_frame: 1\n    do: rst\n    connections: {random: 1}",
            3,
            "random connection can't be chosen here",
        ),
        ("version: 1\nrules:\n  - at: 0\n    do: tls\n    form: expired", 3, "plain connection.*tls: good at the top"),
        ("version: 1\nrules:\n  - [", 4, "not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str):
    with pytest.raises(ConfigError, match=rf"(?s)^day\.yaml:{line}.*{says}"):
        parse_script(text, "day.yaml")


def test_a_fault_for_connections_to_come_is_done_once_unless_told():
    assert parse_fault("{do: rst, on_message: 3}") == Rule(OnMessage(3), Fault(Rst()), 1, 1)
    assert parse_fault("{do: rst, after_open: 2s, times: 4}") == Rule(AfterOpen(2.0), Fault(Rst()), 4, 1)
    with pytest.raises(ConfigError, match=r"the request:1.*random connection"):
        parse_fault("{do: rst, on_frame: 3, connections: {random: 1}}")


@pytest.mark.parametrize("text", ["{do: rst, at: 5s}", "rst", "{do: rst, every: 1s}"])
def test_what_is_to_be_done_now_has_no_when(text: str):
    with pytest.raises(ConfigError, match="the request:1"):
        parse_fault(text)


def test_a_file_is_read_and_one_that_is_none_is_told(tmp_path: Path):
    path = tmp_path / "day.yaml"
    path.write_text(EVERYTHING)
    assert read_script(str(path)) == parse_script(EVERYTHING, "x")
    path.write_text("version: 3")
    with pytest.raises(ConfigError, match=r"day\.yaml:1"):
        read_script(str(path))
    with pytest.raises(UsageError, match=r"can't be read.*No such file"):
        read_script(str(tmp_path / "night.yaml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="can't be read"):
        read_script(str(path))


def test_ours_goes_by_its_name_and_a_file_of_yours_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert len(read_script("bad-day").rules) > 10
    (tmp_path / "bad-day").write_text("version: 1")
    assert read_script("bad-day") == Script()
    with pytest.raises(UsageError, match="good-day can't be read"):
        read_script("good-day")


def test_every_script_in_the_manual_is_one():
    manual = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```yaml\n(version:.*?)```", manual, re.DOTALL)
    assert len(scripts) >= 5
    for script in scripts:
        assert parse_script(script, "docs/faults.md").rules
    kinds = {rule.fault.what.kind for script in scripts for rule in parse_script(script, "x").rules}
    assert kinds <= {kind.kind for kind in get_args(What)}
    missing = [kind.kind for kind in get_args(What) if f"| `{kind.kind}` |" not in manual]
    assert not missing, "every kind has its row"
