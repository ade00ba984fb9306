"""The ticker's text messages, both ways, sans I/O: all of them JSON objects in text frames.

Client to server::

    {"a": "subscribe",   "v": [token, ...]}
    {"a": "unsubscribe", "v": [token, ...]}
    {"a": "mode",        "v": ["ltp" | "quote" | "full", [token, ...]]}

Server to client, with kinds that no document names (``instruments_meta``, ``app_code``) among them::

    {"type": "order",   "data": {...}}
    {"type": "error",   "data": "text"}
    {"type": "message", "data": "text"}

Source: Kite Connect v3 websocket documentation. Tokens are JSON numbers; the server ignores strings without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from kitecli.protocol.layout import MODES

Action = Literal["subscribe", "unsubscribe", "mode"]
Kind = Literal["order", "error", "message", "other", "garbled"]

MAX_TOKEN: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What a client asked. ``mode`` is set for the action ``mode`` only; tokens that weren't numbers are left out."""

    action: Action
    tokens: tuple[int, ...]
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """What the server said. ``data`` by ``kind``:

    ``order``: the order's object. ``error``, ``message``: a string. ``other``: the whole object, of a type we don't
    know. ``garbled``: the text as it came.
    """

    kind: Kind
    data: object


def subscribe(tokens: Iterable[int]) -> str:
    return _compact({"a": "subscribe", "v": list(tokens)})


def unsubscribe(tokens: Iterable[int]) -> str:
    return _compact({"a": "unsubscribe", "v": list(tokens)})


def set_mode(mode: str, tokens: Iterable[int]) -> str:
    """Raises ValueError for a mode the server would ignore without a word."""
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
    return _compact({"a": "mode", "v": [mode, list(tokens)]})


def order_text(data: Mapping[str, object]) -> str:
    return _compact({"type": "order", "data": data})


def error_text(message: str) -> str:
    return _compact({"type": "error", "data": message})


def message_text(data: str) -> str:
    return _compact({"type": "message", "data": data})


def parse_client_text(text: str | bytes) -> ClientRequest | None:
    """The request in a client's text frame, or None for what the server ignores. Never raises."""
    root = _parsed(text)
    if not isinstance(root, dict):
        return None
    action, value = root.get("a"), root.get("v")
    if not isinstance(value, list):
        return None
    if action in ("subscribe", "unsubscribe"):  # a tuple: what JSON holds may be unhashable
        return ClientRequest(action, _tokens(value))
    if action == "mode" and len(value) == 2 and value[0] in MODES and isinstance(value[1], list):
        return ClientRequest("mode", _tokens(value[1]), value[0])
    return None


def parse_server_text(text: str | bytes) -> ServerMessage:
    """The message in a server's text frame. Never raises: what can't be read is ``garbled``."""
    root = _parsed(text)
    if not isinstance(root, dict):
        return _garbled(text)
    kind, data = root.get("type"), root.get("data")
    if kind == "order":
        return ServerMessage("order", data) if isinstance(data, dict) else _garbled(text)
    if kind in ("error", "message"):
        return ServerMessage(kind, data if isinstance(data, str) else _as_text(data))
    return ServerMessage("other", root)


def _parsed(text: str | bytes) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also bad UTF-8 and integers of 4,301 digits and more
        return None
    return value


def _tokens(values: list[object]) -> tuple[int, ...]:
    return tuple(value for value in values if type(value) is int and 0 < value <= MAX_TOKEN)


def _garbled(text: str | bytes) -> ServerMessage:
    return ServerMessage("garbled", text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def _as_text(data: object) -> str:
    return "" if data is None else _compact(data)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
