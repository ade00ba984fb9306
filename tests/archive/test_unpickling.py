"""A pickle may hold times and plain values; nothing in it is run."""

from __future__ import annotations

import collections
import os
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from kitecli.archive.unpickling import load_pickles
from kitecli.errors import DataError

IST = timezone(timedelta(hours=5, minutes=30))
PLAIN = {
    "token": 408065,
    "price": 1573.15,
    "when": datetime(2024, 6, 27, 9, 40, 56, 305_000),  # noqa: DTZ001 - as the official client gives it
    "zoned": datetime(2024, 6, 27, 9, 40, tzinfo=IST),
    "utc": datetime(2024, 6, 27, tzinfo=UTC),
    "day": date(2024, 6, 27),
    "depth": {"buy": [{"quantity": 1}], "sell": ()},
    "none": None,
}


class Trap:
    """Makes a file when it is unpickled by what trusts it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_and_times_of_every_protocol(protocol: int):
    data = pickle.dumps([PLAIN], protocol) + pickle.dumps(PLAIN, protocol)
    assert list(load_pickles(data, "t.pkl")) == [[PLAIN], PLAIN]


def test_what_would_run_is_refused_and_not_run(tmp_path: Path):
    trap = tmp_path / "sprung"
    data = pickle.dumps([{"last_price": Trap(trap)}])
    with pytest.raises(DataError, match=r"names \w+\.mkdir"):
        list(load_pickles(data, "t.pkl"))
    assert not trap.exists()
    pickle.loads(data)
    assert trap.is_dir()  # so the trap would have worked


@pytest.mark.parametrize(
    "data",
    [
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"cdatetime\ndatetime.now\n)R.",
        b"\x80\x04\x8c\x08datetime\x8c\x12datetime.__reduce__\x93.",
        pickle.dumps(collections.OrderedDict(a=1)),
        pickle.dumps({1, 2}, 2),
        b"(lp0\nPpersistent\na.",
        pickle.dumps(PLAIN)[:-9],
        b"\x00\x01\x02",
    ],
)
def test_names_tricks_and_damage_are_refused(data: bytes):
    with pytest.raises(DataError):
        list(load_pickles(data, "t.pkl"))
