"""Ctrl-C and a supervisor's SIGTERM while connect() blocks: it returns, as the official client's does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from kitecli.vault.guard import end_by_signal

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers
_DEFAULTS: Final[dict[signal.Signals, _Handler]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Within it SIGINT and SIGTERM call ``end``, where the script has no handlers of its own; a vault's is none.

    The second one acts as if this weren't there, so that a callback which never returns can be interrupted. Python
    allows handlers on the main thread only; elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {
        kind: handler for kind in _DEFAULTS if (handler := signal.getsignal(kind)) in (_DEFAULTS[kind], end_by_signal)
    }

    def on_signal(kind: int, _frame: object) -> None:
        signal.signal(kind, ours[signal.Signals(kind)])
        end()

    for kind in ours:
        signal.signal(kind, on_signal)
    try:
        yield
    finally:
        for kind, handler in ours.items():
            signal.signal(kind, handler)
