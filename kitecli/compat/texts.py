"""The broker's text messages as a script over one socket would have had them. Sans I/O."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from kitecli.compat.port import Said

_REMEMBERED: Final = 256
"""Texts looked back at; copies come within a second, and orders change ten times in one at most."""


def payload_of(said: Said) -> bytes:
    """The message's bytes again: the same JSON, without the spaces it may have had."""
    if said.kind == "garbled":
        return str(said.data).encode()
    whole = said.data if said.kind == "other" else {"type": said.kind, "data": said.data}
    return json.dumps(whole, separators=(",", ":")).encode()


class Copies:
    """Tells the copies: each connection of an account gets every order update, and a script wants each once.

    The k-th occurrence of a text is news from the connection that brings it first, and a copy from the others.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, Counter[int]] = {}

    def is_copy(self, connection: int, payload: bytes) -> bool:
        counts = self._seen.pop(payload, None) or Counter()
        before = max(counts.values(), default=0)
        counts[connection] += 1
        self._seen[payload] = counts  # the youngest last
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return counts[connection] <= before
