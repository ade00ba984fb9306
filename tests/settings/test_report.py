"""Settings as rows for people."""

from __future__ import annotations

import json

import pytest

from kitecli.secret import MASK
from kitecli.settings import load
from kitecli.settings.report import as_document, places, setting_rows
from kitecli.settings.schema import NOTICES, kinds


def rows(**environ: str):
    return {row.key: row for row in setting_rows(load(environ=environ))}


def test_every_key_has_a_row_with_value_origin_and_notice():
    shown = rows(KITE_DATAFEED_EQUITY_MODE="full")
    assert list(shown) == list(kinds())
    assert (shown["datafeed.equity_mode"].text, shown["datafeed.equity_mode"].origin) == (
        "full",
        "environment KITE_DATAFEED_EQUITY_MODE",
    )
    assert all(shown[key].notice == notice for key, notice in NOTICES.items())


@pytest.mark.parametrize(
    ("size", "notice"), [("1000000", "1048576"), ("500000", "524288"), ("65536", ""), ("65537", "131072")]
)
def test_a_ring_that_is_rounded_up_says_so(size: str, notice: str):
    said = rows(KITE_PERFORMANCE_RING_BUFFER_SIZE=size)["performance.ring_buffer_size"].notice
    assert said.startswith(f"rounded up to {notice}") if notice else said == ""


def test_values_are_spelt_as_a_file_would():
    shown = rows()
    assert shown["performance.use_mmap"].text == "true"
    assert shown["trading.market_start"].text == "09:15:00"
    assert shown["kite.api_root"].text == "not set"


def test_secrets_are_masked_everywhere():
    settings = load(environ={"KITE_PASSWORD": "canary"})
    assert {row.key: row.text for row in setting_rows(settings)}["kite.password"] == MASK
    assert "canary" not in json.dumps(as_document(settings))


def test_the_document_is_json():
    document = json.loads(json.dumps(as_document(load(environ={}, profile="maximum-speed"))))
    assert document["profile"] == "maximum-speed"
    assert document["file"] is None
    assert document["settings"]["performance.worker_threads"]["value"] == 8


def test_places_are_in_the_order_of_the_search():
    assert places()[:2] == ["--config FILE", "$KITE_CONFIG"]
    assert places()[2].endswith("config.yaml")
