"""driver.c from Python: one ctypes call a round, so that its own cost is lost in the round's thousands of frames."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import native
from kitecli.ring.memory import RingMemory
from rings import parts_of


class Blob:
    """Messages one after another, with where each starts."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.bytes: NDArray[np.uint8] = np.frombuffer(b"".join(messages), np.uint8)
        self.starts: NDArray[np.int64] = np.zeros(len(messages) + 1, np.int64)
        np.cumsum([len(message) for message in messages], out=self.starts[1:])
        self.arguments = (
            ctypes.c_void_p(self.bytes.ctypes.data),
            ctypes.c_void_p(self.starts.ctypes.data),
            ctypes.c_int64(len(messages)),
        )


class Driver:
    """The pass over ``memory``, called from C."""

    def __init__(self, memory: RingMemory) -> None:
        self._library = native.library("driver")
        self._library.driver_open.restype = ctypes.c_void_p
        self._parts = parts_of(memory)
        self._pass = ctypes.c_void_p(self._library.driver_open(ctypes.byref(self._parts)))

    def copy(self, blob: Blob) -> None:
        self._library.frames_copy(*blob.arguments)

    def ingest(self, blob: Blob) -> None:
        self._library.frames_pass(self._pass, *blob.arguments)

    def decode_full(self, blob: Blob) -> None:
        self._library.frames_decode(self._pass, *blob.arguments)

    def close(self) -> None:
        self._library.driver_close(self._pass)
