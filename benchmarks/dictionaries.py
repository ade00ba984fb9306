"""Ticks as the official client's dictionaries: made from the ring's records, beside its parser on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from frames import ticks
from kitecli.compat.ticks import Rows, TickDictionaries
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.reader import Batch
from measure import Scale, in_turns
from report import Row, Table, less

_PER_FRAME: Final = 50
_MODES: Final = {"ltp": MODE_LTP, "quote": MODE_QUOTE, "full": MODE_FULL}
_MORNING_S: Final = 1_719_459_900
_SECONDS: Final = 60


def run(scale: Scale) -> list[Table]:
    rows = [_row(name, mode, scale) for name, mode in _MODES.items()]
    rows.append(_others(scale))
    notes = (
        f"{_PER_FRAME} ticks a message; times within {_SECONDS} s, as a stream's are: ticks of a second share one",
    )
    return [Table("dictionaries", "A tick as a dictionary", "ns a tick", "KiteTicker._parse_binary", rows, notes)]


def _row(name: str, mode: int, scale: Scale) -> Row:
    count = scale.pick(20_000, 5_000, 100)
    messages = _messages(count, mode)
    batches = [_batch(message) for message in messages]
    costs = in_turns({"ours": _made(batches, _wanted(batches)), "official": _parsed(messages)}, scale.pick(15, 5, 1))
    ours, official = costs["ours"].per(count), costs["official"].per(count)
    return Row(f"{name} ticks", *ours, *official, less(official[1], ours[1]))


def _others(scale: Scale) -> Row:
    count = scale.pick(20_000, 5_000, 100)
    batches = [_batch(message) for message in _messages(count, MODE_FULL)]
    costs = in_turns({"ours": _made(batches, {})}, scale.pick(15, 5, 1))
    return Row("ticks that only others asked for", *costs["ours"].per(count))


def _messages(count: int, mode: int) -> list[bytes]:
    records, depth = ticks(count, mode)
    draw = np.random.default_rng(1)
    records["ts_event_s"] = _MORNING_S + draw.integers(0, _SECONDS, count)
    depth["last_trade_time"] = _MORNING_S + draw.integers(0, _SECONDS, count)
    return encode_frames(records, depth if mode == MODE_FULL else None, _PER_FRAME)


def _batch(message: bytes) -> Batch:
    frame = decode_frame(message, ts_recv_ns=1)
    return Batch(frame.ticks, frame.depth, 0, 0)


def _wanted(batches: Sequence[Batch]) -> dict[int, int]:
    return {token: MODE_FULL for batch in batches for token in batch.ticks["token"].tolist()}


def _made(batches: Sequence[Batch], wanted: dict[int, int]) -> Callable[[], None]:
    dictionaries = TickDictionaries()

    def all_of_them() -> None:
        for batch in batches:
            rows = Rows(batch)
            for message in rows.messages(wanted):
                dictionaries.of(rows, message)

    return all_of_them


def _parsed(messages: Sequence[bytes]) -> Callable[[], None]:
    from kiteconnect import KiteTicker

    parse = KiteTicker("key", "token")._parse_binary  # noqa: SLF001 - it has no other name

    def all_of_them() -> None:
        for message in messages:
            parse(message)

    return all_of_them
