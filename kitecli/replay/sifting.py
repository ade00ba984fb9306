"""Messages with some instruments' packets only, in their order. Sans I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.protocol.decoder import split_packets
from kitecli.protocol.layout import COUNT_BYTES, HEARTBEAT_LENGTH, LENGTH_BYTES

_TOKEN_BYTES: Final = 4


class Sifted:
    """Passes the packets of ``tokens``. A message without any passes as one of no packets: it still tells the time."""

    def __init__(self, tokens: Collection[int]) -> None:
        self._tokens = frozenset(tokens)

    def __contains__(self, token: int) -> bool:
        return token in self._tokens

    def messages(
        self, data: bytes | memoryview, at: NDArray[np.int64], lengths: NDArray[np.uint32]
    ) -> tuple[bytes, NDArray[np.int64], NDArray[np.uint32]]:
        """Messages of ``lengths`` (n,) that lie ``at`` (n,) in ``data``, made anew: the bytes, where, how long."""
        view = memoryview(data)
        each = zip(at.tolist(), lengths.tolist(), strict=True)
        made = [self.message(view[place : place + length]) for place, length in each]
        sizes = np.array([len(one) for one in made], np.uint32)
        return b"".join(made), np.cumsum(sizes, dtype=np.int64) - sizes, sizes

    def message(self, payload: memoryview) -> bytes:
        """One message; heartbeats and what is damaged beyond its packets pass as they are, or are left out."""
        if len(payload) <= HEARTBEAT_LENGTH:
            return bytes(payload)
        offsets, sizes, _ = split_packets(np.frombuffer(payload, np.uint8))
        kept = [
            bytes(payload[offset - LENGTH_BYTES : offset + size])
            for offset, size in zip(offsets.tolist(), sizes.tolist(), strict=True)
            if int.from_bytes(payload[offset : offset + _TOKEN_BYTES], "big") in self._tokens
        ]
        return len(kept).to_bytes(COUNT_BYTES, "big") + b"".join(kept)
