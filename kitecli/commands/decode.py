"""``kite decode``: a captured binary message, in whatever form it was saved, as readable ticks."""

from __future__ import annotations

import base64
import binascii
import json
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kitecli import stdin
from kitecli.commands._shared import JsonOption, print_json, say
from kitecli.errors import DataError
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from kitecli.protocol.decoder import DecodedFrame

HEX_DIGITS: Final = frozenset(string.hexdigits.encode())
BASE64_DIGITS: Final = frozenset((string.ascii_letters + string.digits + "+/=").encode())


class Format(StrEnum):
    """How the bytes are written down."""

    AUTO = "auto"
    RAW = "raw"
    HEX = "hex"
    BASE64 = "base64"


def decode(
    file: Annotated[str, typer.Argument(help="The file, or - for stdin.", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="How the bytes are written down.")] = Format.AUTO,
    bare: Annotated[bool, typer.Option("--bare", help="Each is one packet without the message's header.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail (exit 6) if anything was damaged.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the ticks of captured websocket messages as JSON, one a line.

    Takes a message as raw bytes, or messages as hex or base64, one a line. What was damaged is counted on stderr.

    Examples:

    kite decode frame.bin

    kite decode --strict frames.hex

    echo 0001000800063a0100026683 | kite decode -
    """
    report = Report()
    for frame in decode_frames(payloads(read_bytes(file), form, bare=bare), bare=bare):
        report.add(frame)
        for tick in ticks_as_json(frame):
            print_json(tick)
    say(json.dumps(report.as_dict()) if as_json else str(report))
    if strict and report.damage:
        raise DataError(f"{file} is damaged", why=report.damage_text, hint="Without --strict, kite decode exits with 0")


@dataclass(slots=True)
class Report:
    """What was found, in all messages together."""

    frames: int = 0
    ticks: int = 0
    heartbeats: int = 0
    damage: Counter[str] = field(default_factory=Counter)

    def add(self, frame: DecodedFrame) -> None:
        self.frames += 1
        self.ticks += len(frame.ticks)
        self.heartbeats += frame.heartbeat
        self.damage += Counter(frame.damage.as_dict())

    @property
    def damage_text(self) -> str:
        return ", ".join(f"{kind} {count}" for kind, count in self.damage.items()) or "none"

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        return {
            "messages": self.frames,
            "ticks": self.ticks,
            "heartbeats": self.heartbeats,
            "damage": dict(self.damage),
        }

    def __str__(self) -> str:
        return (
            f"messages {counted(self.frames)} · ticks {counted(self.ticks)} · heartbeats {counted(self.heartbeats)}"
            f" · damage: {self.damage_text}"
        )


def read_bytes(file: str) -> bytes:
    """The content of a file, or of stdin for ``-``.

    :raises DataError: it can't be read.
    """
    try:
        return stdin.whole() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"{file} can't be read", why=error.strerror or str(error), hint="Check the path") from error


def payloads(content: bytes, form: Format, *, bare: bool = False) -> list[bytes]:
    """The messages in ``content``.

    :raises DataError: a line that isn't what ``form`` says; nothing at all.
    """
    if not content:
        raise DataError("There is nothing to decode", why="the input is empty", hint="Give it one captured message")
    form = detect(content) if form is Format.AUTO else form
    if form is Format.RAW:
        return [content]
    decode_text = _from_hex if form is Format.HEX else _from_base64
    lines = [line for line in content.split(b"\n") if line.strip()]
    # Printing tools wrap long text: `base64` at 76 columns, `xxd -p` at 60. One message over many lines is
    # told from many messages by which reading is sound.
    joined = _attempt(decode_text, lines)
    if len(lines) > 1 and joined and is_sound(joined, bare=bare) and not _all_sound(lines, decode_text, bare=bare):
        return [joined]
    return [_line(number, text, decode_text, form) for number, text in enumerate(lines, start=1)]


def detect(content: bytes) -> Format:
    """Hex and base64 by their alphabets. A raw message never passes: it begins with a zero byte."""
    used = set(b"".join(content.replace(b"0x", b"").split()))
    if not used:
        return Format.RAW
    if used <= HEX_DIGITS:
        return Format.HEX
    return Format.BASE64 if used <= BASE64_DIGITS else Format.RAW


def decode_frames(messages: Sequence[bytes], *, bare: bool = False) -> Iterator[DecodedFrame]:
    """Decode messages; one that isn't sound and has a packet's length is taken for a packet without its header."""
    from kitecli.protocol.decoder import decode_frame
    from kitecli.protocol.layout import PACKET_LENGTHS

    for message in messages:
        frame = decode_frame(_with_header(message) if bare else message)
        if frame.damage and not bare and len(message) in PACKET_LENGTHS:
            frame = decode_frame(_with_header(message))
        yield frame


def ticks_as_json(frame: DecodedFrame) -> Iterator[dict[str, object]]:
    """The official client's names and shapes, with times as ISO 8601 in IST."""
    from kitecli.market.view import ticks_of

    for tick in ticks_of(frame.ticks, frame.depth):
        yield tick.to_json_dict()


def is_sound(message: bytes, *, bare: bool = False) -> bool:
    """Whether it decodes without damage, with its header or without."""
    return not next(decode_frames([message], bare=bare)).damage


def _with_header(packet: bytes) -> bytes:
    return b"\x00\x01" + len(packet).to_bytes(2, "big") + packet


def _from_hex(text: bytes) -> bytes:
    return binascii.unhexlify(b"".join(text.replace(b"0x", b"").split()))


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split()), validate=True)


def _attempt(decode_text: Callable[[bytes], bytes], lines: Sequence[bytes]) -> bytes | None:
    try:
        return decode_text(b"".join(lines))
    except binascii.Error:
        return None


def _all_sound(lines: Sequence[bytes], decode_text: Callable[[bytes], bytes], *, bare: bool) -> bool:
    return all(
        message and is_sound(message, bare=bare) for message in (_attempt(decode_text, [line]) for line in lines)
    )


def _line(number: int, text: bytes, decode_text: Callable[[bytes], bytes], form: Format) -> bytes:
    try:
        return decode_text(text)
    except binascii.Error as error:
        raise DataError(
            f"Line {number} is no {form.value}",
            why=str(error).rstrip("."),
            hint="Try another --format: raw, hex, base64",
        ) from error
