"""The conformance suite is only worth what it catches: each decoder is broken in known ways, and each must be caught.

A planted bug is a change of the source: the text is replaced and the modules (or the C library) made anew from it.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from tests.conformance.decoding import Decode, by_pass, by_reference, first_failure
from tests.conformance.native import NativePass, compile_pass, headers, needs_compiler
from tests.conformance.vectors import VECTORS

DECODER, TICK, LAYOUT = "kitecli.protocol.decoder", "kitecli.market.tick", "kitecli.protocol.layout"
SEGMENTS, VIEW = "kitecli.market.segments", "kitecli.market.view"
# In the order they import each other.
CHAIN = (SEGMENTS, TICK, VIEW, LAYOUT, DECODER)


class Bug(NamedTuple):
    name: str
    where: str
    right: str
    wrong: str


IN_THE_REFERENCE = (
    # offsets and orders
    Bug(
        "last price at the wrong offset",
        DECODER,
        '[("token", ">u4"), ("last_price"',
        '[("last_price", ">u4"), ("token"',
    ),
    Bug(
        "index order as a quote's",
        DECODER,
        '"high", "low", "open", "close", "change"',
        '"open", "high", "low", "close", "change"',
    ),
    Bug("open and high swapped", DECODER, '("open", "high", "low", "close"))', '("high", "open", "low", "close"))'),
    Bug("volume and buy quantity swapped", DECODER, '"volume", "buy_quantity"', '"buy_quantity", "volume"'),
    Bug("oi and its day high swapped", DECODER, '"oi", "oi_day_high"', '"oi_day_high", "oi"'),
    Bug(
        "the two times swapped",
        DECODER,
        '"last_trade_time", "oi", "oi_day_high", "oi_day_low", "ts_event_s"',
        '"ts_event_s", "oi", "oi_day_high", "oi_day_low", "last_trade_time"',
    ),
    Bug(
        "change taken for the event time",
        DECODER,
        '*_INDEX_QUOTE, ("ts_event_s", ">u4")',
        '*_INDEX_QUOTE[:-1], ("ts_event_s", ">u4"), ("change", ">i4")',
    ),
    Bug("depth four bytes early", DECODER, "[:, :DEPTH_BYTES]", "[:, 4 : DEPTH_BYTES + 4]"),
    Bug(
        "a record's fields in another order",
        TICK,
        '("open", "<i4"),\n        ("high", "<i4")',
        '("high", "<i4"),\n        ("open", "<i4")',
    ),
    # signs and widths
    Bug("last price unsigned", TICK, '("last_price", "<i4")', '("last_price", "<u4")'),
    Bug("volume signed", TICK, '("volume", "<u4")', '("volume", "<i4")'),
    Bug("oi signed", TICK, '("oi", "<u4")', '("oi", "<i4")'),
    Bug("depth prices unsigned", TICK, '("price", ">i4")', '("price", ">u4")'),
    Bug("orders signed", TICK, '("orders", ">u2")', '("orders", ">i2")'),
    Bug("token signed", TICK, '("token", "<u4")', '("token", "<i4")'),
    # byte order
    Bug("prices little-endian", DECODER, '("last_price", ">i4")', '("last_price", "<i4")'),
    Bug("lengths little-endian", DECODER, "message[at] << 8 | message[at + 1]", "message[at + 1] << 8 | message[at]"),
    Bug("count little-endian", DECODER, 'message[:COUNT_BYTES], "big"', 'message[:COUNT_BYTES], "little"'),
    # modes and flags
    Bug(
        "quote said to be full",
        DECODER,
        "QUOTE_LENGTH: (MODE_QUOTE, FLAG_OHLC)",
        "QUOTE_LENGTH: (MODE_FULL, FLAG_OHLC)",
    ),
    Bug("full without its depth flag", DECODER, "(MODE_FULL, FLAG_OHLC | FLAG_DEPTH)", "(MODE_FULL, FLAG_OHLC)"),
    Bug("index flag lost", DECODER, "(MODE_QUOTE, FLAG_INDEX | FLAG_OHLC)", "(MODE_QUOTE, FLAG_OHLC)"),
    # what hides in the padding
    Bug("oi_day_low halved", DECODER, '["pad"][:, 1] = packets["oi_day_low"] >> 16', '["pad"][:, 1] = 0'),
    Bug("oi_day_low's halves swapped", DECODER, '["pad"][:, 0] = packets', '["pad"][:, 1] = packets'),
    # walking
    Bug("heartbeat taken for data", LAYOUT, "HEARTBEAT_LENGTH: Final = 1", "HEARTBEAT_LENGTH: Final = 0"),
    Bug("length check off by one", DECODER, "if at + length > len(message)", "if at + length >= len(message)"),
    Bug("length check a byte lenient", DECODER, "if at + length > len(message)", "if at + length > len(message) + 1"),
    Bug("last packet lost", DECODER, "for index in range(count)", "for index in range(count - 1)"),
    Bug(
        "tail lost after an unknown length",
        DECODER,
        "damage.unknown_length += 1",
        "damage.unknown_length += 1\n            break",
    ),
    Bug(
        "an unknown length not skipped",
        DECODER,
        "            damage.unknown_length += 1",
        "            damage.unknown_length += 1\n            continue",
    ),
    Bug(
        "damage discards what stood before it",
        DECODER,
        "damage.truncated, damage.missing = 1, count - index - 1",
        "damage.truncated, damage.missing, found = 1, count - index - 1, []",
    ),
    Bug("missing packets not counted", DECODER, "damage.missing = count - index\n", "damage.missing = 0\n"),
    Bug("trailing bytes not counted", DECODER, "int(at < len(message))", "0"),
    Bug("equal lengths taken on trust", DECODER, "if not (headers == headers[0]).all()", "if False"),
    # rupees
    Bug("CDS divided by 100", SEGMENTS, '"CDS", 10_000_000', '"CDS", 100'),
    Bug("BCD as CDS", SEGMENTS, '"BCD", 10_000)', '"BCD", 10_000_000)'),
    Bug("NCO unknown", SEGMENTS, '            Segment(12, "nco", "NCO", 10_000),\n', ""),
    Bug("change not of the close", VIEW, "* 100 / close if close", "* 100 / self.last_price if close"),
)

IN_THE_COMPILED = (
    Bug(
        "last price at the wrong offset", "pass.h", "a->words[1] = kite_be32(p + 4);", "a->words[1] = kite_be32(p + 3);"
    ),
    Bug("index order as a quote's", "pass.h", "0, 16, 8, 12, 20}", "0, 8, 12, 16, 20}"),
    Bug(
        "open and high swapped",
        "pass.h",
        "p + 28); /*",
        "p + 28), a->words[7] = kite_be32(p + 32), a->words[8] = kite_be32(p + 28); /*",
    ),
    Bug(
        "a quote's last words one too early",
        "pass.h",
        "b->words + 7, p + 28);",
        "b->words + 7, p + 24);",
    ),
    Bug("oi at the wrong offset", "pass.h", "oi = kite_be32(p + 48)", "oi = kite_be32(p + 52)"),
    Bug(
        "oi day high at the wrong offset",
        "pass.h",
        "a->oi_day_high = kite_be32(p + 52)",
        "a->oi_day_high = kite_be32(p + 48)",
    ),
    Bug(
        "the two times swapped",
        "pass.h",
        "a->last_trade_time = kite_be32(p + 44)",
        "a->last_trade_time = kite_be32(p + 60)",
    ),
    Bug("index time at the wrong offset", "pass.h", "kite_be32(p + 28)", "kite_be32(p + 24)"),
    Bug("depth four bytes early", "pass.h", "DEPTH_WIRE_OFFSET = 64", "DEPTH_WIRE_OFFSET = 60"),
    Bug("oi_day_low's half at the wrong level", "pass.h", "a->levels + 22", "a->levels + 34"),
    Bug("oi_day_low halved", "pass.h", "(uint16_t)(oi_day_low >> 16)", "0"),
    Bug("words little-endian", "portable.h", "return kite_bswap32(raw);", "return raw;"),
    Bug("lengths little-endian", "portable.h", "return kite_bswap16(raw);", "return raw;"),
    Bug(
        "quote said to be full",
        "pass.h",
        "tail |= MODE_QUOTE | (uint32_t)FLAG_OHLC",
        "tail |= MODE_FULL | (uint32_t)FLAG_OHLC",
    ),
    Bug("full without its depth flag", "pass.h", "(uint32_t)(FLAG_DEPTH | FLAG_OHLC)", "(uint32_t)(FLAG_OHLC)"),
    Bug("index flag lost", "pass.h", "(uint32_t)(FLAG_INDEX | FLAG_OHLC)", "(uint32_t)(FLAG_OHLC)"),
    Bug("heartbeat taken for data", "pass.h", "size == 1 ? COUNT_HEARTBEATS : COUNT_EMPTY", "COUNT_EMPTY"),
    Bug("length check off by one", "pass.h", "walk->at + length > walk->size", "walk->at + length >= walk->size"),
    Bug("last packet lost", "pass.h", "while (walk->left > 0)", "while (walk->left > 1)"),
    Bug(
        "tail lost after an unknown length",
        "pass.h",
        "counters[COUNT_UNKNOWN_LENGTH]++;",
        "{ counters[COUNT_UNKNOWN_LENGTH]++; break; }",
    ),
    Bug("missing packets not counted", "pass.h", "counters[COUNT_MISSING] += walk->left;", ""),
    Bug("trailing bytes not counted", "pass.h", "pass->counters[COUNT_TRAILING]++;", ";"),
    Bug("length of the index quote unknown", "pass.h", "|| length == INDEX_QUOTE_LENGTH ||", "||"),
)


def planted(source: str, bug: Bug) -> str:
    assert source.count(bug.right) == 1, f"{bug.where} has changed: {bug.right!r} should stand there once"
    return source.replace(bug.right, bug.wrong)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Decode:
    """The reference decoder and the view of ticks, made anew from sources of which one has the bug."""
    made: dict[str, ModuleType] = {}
    for name in CHAIN:
        path = Path(str(getattr(find_spec(name), "origin", "")))
        source = path.read_text()
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        code = planted(source, request.param) if name == request.param.where else source
        exec(compile(code, path, "exec"), module.__dict__)
        made[name] = module
    return partial(by_reference, source=made[DECODER], shows=made[VIEW])


@pytest.mark.parametrize("broken", IN_THE_REFERENCE, ids=lambda bug: bug.name, indirect=True)
def test_a_bug_planted_in_the_reference_is_caught(broken: Decode):
    assert first_failure(broken, VECTORS)


@pytest.mark.parametrize("broken", [Bug("none", DECODER, "class DecodedFrame:", "class DecodedFrame:")], indirect=True)
def test_the_reference_made_anew_without_a_bug_passes(broken: Decode):
    assert not first_failure(broken, VECTORS)


@needs_compiler
@pytest.mark.parametrize("bug", IN_THE_COMPILED, ids=lambda bug: bug.name)
def test_a_bug_planted_in_the_compiled_pass_is_caught(bug: Bug, tmp_path: Path):
    sources = headers()
    sources[bug.where] = planted(sources[bug.where], bug)
    library = compile_pass(tmp_path, sources)
    assert first_failure(partial(by_pass, make_pass=partial(NativePass, library)), VECTORS)


@needs_compiler
def test_the_compiled_pass_made_anew_without_a_bug_passes(tmp_path: Path):
    sources = headers()
    library = compile_pass(tmp_path, sources)
    assert not first_failure(partial(by_pass, make_pass=partial(NativePass, library)), VECTORS)
