from __future__ import annotations

import base64
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from kitecli.errors import DataError

LTP = struct.pack(">II", 408065, 157315)
QUOTE = struct.pack(">11I", 408065, 157315, 1, 157033, 1175986, 256511, 360503, 156915, 157500, 156105, 156780)
FULL = struct.pack(">11I", 408065, *[157370] * 10) + struct.pack(">5I", 1625461887, 0, 0, 0, 1625461887) + bytes(120)
INDEX = struct.pack(">7I", 265, *[2340685] * 6)


def message(*packets: bytes) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(one)) + one for one in packets)


def kite_decode(content: bytes, *options: str) -> Result:
    return CliRunner().invoke(app, ["decode", "-", *options], input=content)


def shown(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def wrapped(text: bytes, columns: int) -> bytes:
    return b"\n".join(text[at : at + columns] for at in range(0, len(text), columns)) + b"\n"


FRAME = message(LTP, QUOTE, FULL, INDEX)


@pytest.mark.parametrize(
    "written",
    [
        FRAME,
        FRAME.hex().encode(),
        FRAME.hex(" ").upper().encode() + b"\r\n",
        b"0x" + FRAME.hex().encode(),
        base64.b64encode(FRAME) + b"\n",
        wrapped(FRAME.hex().encode(), 60),
        wrapped(base64.b64encode(FRAME), 76),
    ],
    ids=["raw", "hex", "spaced-hex", "0x", "base64", "wrapped-hex", "wrapped-base64"],
)
def test_the_way_it_was_written_down_is_found_out(written: bytes):
    result = kite_decode(written)
    assert [one["mode"] for one in shown(result)] == ["ltp", "quote", "full", "quote"]
    assert "messages 1 · ticks 4 · heartbeats 0 · damage: none" in result.stderr


def test_ticks_have_the_official_names_and_indian_times():
    _, quote, full, index = shown(kite_decode(FRAME))
    assert quote["volume_traded"] == 1175986
    assert quote["ohlc"] == {"open": 1569.15, "high": 1575.0, "low": 1561.05, "close": 1567.8}
    assert quote["change"] == 0.3412425054216186
    assert full["exchange_timestamp"] == "2021-07-05T10:41:27+05:30"
    assert index["tradable"] is False


@pytest.mark.parametrize("encode", [bytes.hex, lambda one: base64.b64encode(one).decode()])
def test_several_messages_stand_one_a_line(encode):
    lines = "\n\n".join(encode(one) for one in (message(LTP), b"\0", message(QUOTE, LTP), QUOTE))
    result = kite_decode(lines.encode())
    assert [one["mode"] for one in shown(result)] == ["ltp", "quote", "ltp", "quote"]
    assert "messages 4 · ticks 4 · heartbeats 1" in result.stderr


def test_eight_heartbeats_are_no_packet_of_eight_bytes():
    result = kite_decode(b"00\n" * 8)
    assert shown(result) == []
    assert "heartbeats 8" in result.stderr


def test_a_sound_message_as_long_as_a_packet_is_a_message():
    three = message(LTP, LTP, LTP)
    assert len(three) == 32
    assert len(shown(kite_decode(three))) == 3


@pytest.mark.parametrize("packet", [LTP, INDEX, QUOTE, FULL], ids=len)
@pytest.mark.parametrize("options", [[], ["--bare"], ["--bare", "--format", "raw"]])
def test_a_packet_without_its_header_is_recognised(packet: bytes, options: list[str]):
    (tick,) = shown(kite_decode(packet, *options))
    assert tick["instrument_token"] == int.from_bytes(packet[:4], "big")


def test_the_broker_s_own_files_decode(market_data: Path):
    for kind, price in (("quote", 1573.15), ("full", 1573.7)):
        for options in ([], ["--bare"], ["--format", "base64"]):
            path = market_data / "mocks" / f"ticker_{kind}.packet"
            (tick,) = shown(CliRunner().invoke(app, ["decode", str(path), *options]))
            assert (tick["mode"], tick["last_price"]) == (kind, price)


def test_a_form_can_be_forced():
    digits = b"0001000800063a0100026683"
    assert len(shown(kite_decode(digits, "--format", "hex"))) == 1
    assert shown(kite_decode(digits, "--format", "raw")) == []  # read as it stands, it is a damaged message


DAMAGED = message(QUOTE)[:-1], message(LTP, b"123"), message(LTP) + b"x"


def test_damage_is_counted_and_what_stands_before_it_decoded():
    result = kite_decode(b"\n".join(one.hex().encode() for one in DAMAGED))
    assert len(shown(result)) == 2
    for kind in ("truncated 1", "unknown_length 1", "trailing 1"):
        assert kind in result.stderr


def test_strict_turns_damage_into_a_failure():
    result = kite_decode(DAMAGED[1], "--strict")
    assert result.exit_code == DataError.exit_code
    assert len(result.stdout.splitlines()) == 1
    assert "unknown_length 1" in result.stderr
    assert kite_decode(FRAME, "--strict").exit_code == 0


def test_with_json_the_report_is_json_too():
    result = kite_decode(DAMAGED[2], "--json")
    report = json.loads(result.stderr)
    assert report == {"messages": 1, "ticks": 1, "heartbeats": 0, "damage": {"trailing": 1}}
    failure = kite_decode(DAMAGED[2], "--json", "--strict").stderr.splitlines()[-1]
    assert json.loads(failure)["why"] == "trailing 1"


@pytest.mark.parametrize(
    ("content", "options", "what"),
    [
        (b"", [], "nothing to decode"),
        (b"00zz", ["--format", "hex"], "Line 1 is no hex"),
        (b"0001\nAAAA!\n", ["--format", "base64"], "Line 2 is no base64"),
        (b"000", [], "Line 1 is no hex"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, options: list[str], what: str):
    result = kite_decode(content, *options)
    assert result.exit_code == DataError.exit_code
    assert what in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_refused_as_any_unreadable_one():
    result = CliRunner().invoke(app, ["decode", "nowhere.bin"])
    assert result.exit_code == DataError.exit_code
    assert "nowhere.bin can't be read" in result.stderr


def test_as_a_process(run_kite, tmp_path: Path):
    (tmp_path / "frame.bin").write_bytes(FRAME)
    done: subprocess.CompletedProcess[str] = run_kite("decode", "frame.bin")
    assert done.returncode == 0
    assert [json.loads(line)["mode"] for line in done.stdout.splitlines()] == ["ltp", "quote", "full", "quote"]
    assert "damage: none" in done.stderr
    assert json.loads(run_kite("decode", "-", stdin=QUOTE.hex()).stdout)["mode"] == "quote"


def test_help_has_examples(run_kite):
    assert "kite decode frame.bin" in run_kite("decode", "--help").stdout
