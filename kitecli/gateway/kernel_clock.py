"""How far this machine's clock is off, as its kernel has it from whatever keeps it set (chrony, ntpd, timesyncd)."""

from __future__ import annotations

import ctypes
import sys
from ctypes import c_int, c_long
from typing import Final

from kitecli.store.payloads import ClockOffset

UNSYNCHRONIZED: Final = 0x0040
IN_NANOSECONDS: Final = 0x2000
_NS_PER_US: Final = 1_000
SOURCE: Final = "the kernel's estimate of UTC"


class Timex(ctypes.Structure):
    """``struct timex`` of Linux's adjtimex(2), as far as it is read; the rest is its room."""

    _fields_ = (
        ("modes", c_int),
        ("offset", c_long),
        ("freq", c_long),
        ("maxerror", c_long),
        ("esterror", c_long),
        ("status", c_int),
        ("rest", c_long * 32),
    )


def clock_offset() -> ClockOffset | None:
    """None where nothing keeps the clock set, or the system doesn't tell."""
    if not sys.platform.startswith("linux"):
        return None
    read = Timex()  # modes 0: nothing is set, and no right is needed
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    return offset_of(read) if adjtimex is not None and adjtimex(ctypes.byref(read)) >= 0 else None


def offset_of(read: Timex) -> ClockOffset | None:
    """What was read, in nanoseconds: the kernel's ``offset`` is what has still to be added to the clock."""
    if read.status & UNSYNCHRONIZED:
        return None
    unit_ns = 1 if read.status & IN_NANOSECONDS else _NS_PER_US
    return ClockOffset(-read.offset * unit_ns, read.maxerror * _NS_PER_US, SOURCE)
