"""What a file says of itself."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from kitecli.archive.headers import header_facts, readable_facts
from kitecli.errors import DataError
from kitecli.store.sealing import seal
from tests.archive.stores import START_NS, STEP_NS, master, record_day


def test_a_header_says_whose_records_these_are(tmp_path: Path):
    path = record_day(tmp_path) / "0001.kseg"
    facts = header_facts(path)
    assert (facts["day"], facts["segment"], facts["records"], facts["ended"]) == ("2026-11-20", 1, 602, True)
    assert facts["last_ns"] == START_NS + 599 * STEP_NS
    assert facts["master"] == sha256(master()).hexdigest()
    assert facts["connections"] == [{"connection": 0, "endpoint": "wss://ws.kite.trade"}]
    assert facts["settings"]["segment_bytes"] == 1 << 28
    packed = header_facts(seal(path))
    assert packed["bytes"] == facts["bytes"]
    assert packed["bytes_on_disk"] < facts["bytes_on_disk"]


def test_what_is_none_of_ours_is_refused_or_said_beside_the_others(tmp_path: Path):
    path = tmp_path / "0001.kseg"
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match="no recording's segment"):
        header_facts(path)
    (told,) = readable_facts([path])
    assert told["problem"]["error"] == "data"
