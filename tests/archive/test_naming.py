"""A day's names come from its own master."""

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

import pytest

from kitecli.archive.naming import DayNames, Labels
from kitecli.errors import DataError, UnknownInstrument
from kitecli.store.header import NO_MASTER
from tests.archive.stores import DAY, INFY, NIFTY, USDINR, master

DIGEST = sha256(master()).digest()


def test_names_and_tokens_by_the_master_beside_the_day(store: Path):
    names = DayNames.of(store / "2026-11-20", DAY, DIGEST)
    assert names.why_not == ""
    assert names.tokens(["NSE:INFY, NIFTY 50", str(USDINR)]) == [INFY, NIFTY, USDINR]
    assert names.tokens(["CDS:*"]) == [USDINR]
    assert names.tokens([]) == []
    labels = Labels(names)
    assert labels[INFY] == "NSE:INFY"
    assert labels.get(5) is None
    assert dict(labels) == {INFY: "NSE:INFY"}
    assert len(labels) == 1
    with pytest.raises(UnknownInstrument, match="NSE:NOPE"):
        names.tokens(["NSE:NOPE"])


def test_without_a_master_tokens_work_and_names_say_why_they_dont(tmp_path: Path):
    name = f"master-{DIGEST.hex()[:8]}.csv.gz"
    nobody = DayNames.of(tmp_path, DAY, NO_MASTER)
    gone = DayNames.of(tmp_path, DAY, DIGEST)
    (tmp_path / name).write_bytes(gzip.compress(b"another"))
    another = DayNames.of(tmp_path, DAY, DIGEST)
    (tmp_path / name).write_bytes(b"no gzip")
    broken = DayNames.of(tmp_path, DAY, DIGEST)
    whys = ("was recorded with it", "isn't there any more", "isn't the one", "can't be read")
    for names, why in zip((nobody, gone, another, broken), whys, strict=True):
        assert names.tokens(["408065"]) == [INFY]
        assert Labels(names).get(INFY) is None
        for none in ("99999999999", "\u00b2"):
            with pytest.raises(DataError, match="can't be looked up"):
                names.tokens([none])
        with pytest.raises(DataError, match="'INFY' can't be looked up") as raised:
            names.tokens(["INFY"])
        assert why in raised.value.why
