"""Which instruments records are about: the reference of the compiled one. Sans I/O.

Packets are listed as long as they fit their message, whatever its count says and whoever knows their length: the
decoder takes these or fewer, so that nothing it would find is passed over.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.store.layout import FRAME, SUBSCRIBED

_TOKEN_BYTES: Final = 4


def tokens_in_python(data: bytes | memoryview, rows: NDArray[np.void]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Of every packet of ``rows`` (ROW_DTYPE, with ``at`` in ``data``) and of what was subscribed: the token, and the
    row it stands in."""
    view = memoryview(data)
    tokens: list[int] = []
    owners: list[int] = []
    for owner, row in enumerate(rows):
        at, kind = int(row["at"]), int(row["kind"])
        payload = view[at : at + int(row["length"])]
        found = _of_message(payload) if kind == FRAME else _of_subscribed(payload) if kind == SUBSCRIBED else []
        tokens += found
        owners += [owner] * len(found)
    return np.array(tokens, np.uint32), np.array(owners, np.int64)


def _of_message(payload: memoryview) -> list[int]:
    found, at = [], 2
    while at + 2 <= len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        if at + 2 + size > len(payload):
            break
        if size >= _TOKEN_BYTES:
            found.append(int.from_bytes(payload[at + 2 : at + 2 + _TOKEN_BYTES], "big"))
        at += 2 + size
    return found


def _of_subscribed(payload: memoryview) -> list[int]:
    pairs = [payload[at : at + _TOKEN_BYTES] for at in range(0, len(payload) - 7, 8)]
    return [int.from_bytes(pair, "little") for pair in pairs]
