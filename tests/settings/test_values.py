"""What each kind of value reads, and what it refuses."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from kitecli.secret import Secret
from kitecli.settings.values import (
    Choice,
    FileName,
    Fraction,
    Hidden,
    Intervals,
    Kind,
    Pairs,
    Root,
    Seconds,
    Switch,
    TimeOfDay,
    Whole,
    Word,
    Words,
)

HTTPS = Root("https", "http")
LEVELS = Pairs(("feed", "sim"), ("debug", "error"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Whole(1, 10), "1", 1),
        (Whole(1, 10), "10", 10),
        (Whole(1, 10**7), "1_000_000", 1_000_000),
        (Fraction(), "1", 1.0),
        (Fraction(), "0.02", 0.02),
        (Seconds(60), "1.5", 1.5),
        (Seconds(60), "0", 0.0),
        (Intervals(), "[1m, 15m, day]", ("1m", "15m", "day")),
        (Intervals(), "1minute 60s,500t", ("1m", "500t")),
        (Intervals(), "['5s', \"1h\"]", ("5s", "1h")),
        (Intervals(), "('1m',)", ("1m",)),
        (Intervals(), "[]", ()),
        (Intervals(), "none", ()),
        (LEVELS, "{feed: debug, sim: error}", ("feed: debug", "sim: error")),
        (LEVELS, "{'feed': 'debug'}", ("feed: debug",)),
        (LEVELS, "('feed: debug',)", ("feed: debug",)),
        (LEVELS, "FEED:debug", ("feed: debug",)),
        (LEVELS, "{}", ()),
        (Words(("telegram", "webhook")), "[webhook, telegram, webhook]", ("webhook", "telegram")),
        (Words(("telegram", "webhook")), "('Webhook',)", ("webhook",)),
        (Words(("telegram", "webhook")), "[]", ()),
        (Word(), "-10042", "-10042"),
        (Word(), "null", None),
        (Switch(), "true", True),
        (Switch(), "No", False),
        (Switch(), "on", True),
        (Switch(), "0", False),
        (Choice(("ltp", "full")), "FULL", "full"),
        (TimeOfDay(), "09:15", time(9, 15)),
        (TimeOfDay(), "15:30:00", time(15, 30)),
        (HTTPS, "https://api.kite.trade/", "https://api.kite.trade"),
        (HTTPS, "http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        (HTTPS, "http://localhost:8765", "http://localhost:8765"),
        (HTTPS, "http://[::1]:8765", "http://[::1]:8765"),
        (HTTPS, "null", None),
        (HTTPS, "", None),
        (FileName(), "/run/token", "/run/token"),
        (FileName(), "~/token", str(Path("~/token").expanduser())),
        (FileName(), "null", None),
        (Hidden(), "abc", Secret("abc")),
        (Hidden(), "", None),
    ],
)
def test_it_reads(kind: Kind, text: str, value: object):
    read = kind.parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Whole(1, 10), ["0", "11", "-1", "1.0", "many", "", "True", "5e0"]),
        (Fraction(), ["0", "1.01", "-0.1", "nan", "inf", "2%", ""]),
        (Seconds(60), ["-1", "61", "nan", "soon", ""]),
        (Intervals(), ["soon", "[1m, 0s]", "2day", "1s 2s 3s 4s 5s 6s 7s 8s"]),
        (Switch(), ["2", "maybe", ""]),
        (Choice(("ltp", "full")), ["", "quote", "ltp,full"]),
        (TimeOfDay(), ["24:00", "9:15", "915", "09", "09:15:00+05:30", "", "morning"]),
        # A token in clear text across a network, or no address at all.
        (HTTPS, ["http://api.kite.trade", "http://10.0.0.1:80", "wss://ws.kite.trade", "https://", "api.kite.trade"]),
        (HTTPS, ["https://host#fragment", "https://host/#", "https://host?a=b", "https://host?", "https://me:pw@host"]),
        (HTTPS, ["http://127.0.0.1:99999", "http://127.0.0.1:0", "http://127.0.0.1:port"]),
        (HTTPS, ["http://127.0.0.1.evil.example", "http://localhost.evil.example"]),
    ],
)
def test_it_refuses(kind: Kind, texts: list[str]):
    for text in texts:
        with pytest.raises(ValueError):
            kind.parse(text)


@pytest.mark.parametrize("kind", [Whole(1, 2), Fraction(), Switch(), Choice(("a",)), TimeOfDay(), HTTPS, Hidden()])
def test_it_says_what_it_expects(kind: Kind):
    assert kind.expects
