"""KiteTicker: the official client's class, on kite's feed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from kitecli.compat.attached import open_attached
from kitecli.compat.callbacks import Callbacks
from kitecli.compat.calls import ConnectResponse, Narrator
from kitecli.compat.delivery import Delivery
from kitecli.compat.interrupts import ended_by_signals
from kitecli.compat.link import Link
from kitecli.compat.port import OpenSource, Refused, Source
from kitecli.compat.ticks import TickDictionaries
from kitecli.compat.wanted import sorted_out
from kitecli.errors import KiteError, UsageError
from kitecli.logs import logger
from kitecli.market.segments import SEGMENTS
from kitecli.secret import Secret
from kitecli.settings.endpoints import load_feed_limits

log = logger("kitecli.compat")

Callback = Callable[..., object] | None
_BCD: Final = 6
_SHORTEST_MAX_DELAY_S: Final = 5
_MOST_TRIES: Final = 300


class KiteTicker:
    """A drop-in for ``kiteconnect.KiteTicker``: same constructor, callbacks, constants and tick dictionaries.

    ::

        ticker = KiteTicker(api_key, access_token)
        ticker.on_ticks = lambda ws, ticks: print(ticks)
        ticker.on_connect = lambda ws, response: ws.subscribe([408065])
        ticker.connect()

    Beyond the official one it has ``aware`` (times in IST) and ``mark_snapshots`` (a key ``snapshot`` in every tick),
    as arguments or class attributes; ``set_access_token``; and the counters ``callback_errors`` and ``lost_ticks``.
    docs/compat.md says what differs.
    """

    EXCHANGE_MAP: ClassVar[dict[str, int]] = {
        **{segment.name: segment.code for segment in SEGMENTS.values()},
        "bsecds": _BCD,  # an older name of it
    }
    CONNECT_TIMEOUT = 30
    RECONNECT_MAX_DELAY = 60
    RECONNECT_MAX_TRIES = 50
    ROOT_URI = "wss://ws.kite.trade"
    MODE_FULL = "full"
    MODE_QUOTE = "quote"
    MODE_LTP = "ltp"

    aware = False
    """Whether ticks carry aware times in IST, None for none, instead of naive ones in the host's zone."""
    mark_snapshots = False
    """Whether ticks have a key ``snapshot``: True for the cached tick that answers a subscription."""

    open_source: ClassVar[OpenSource] = staticmethod(open_attached)

    def __init__(
        self,
        api_key: str,
        access_token: str,
        debug: bool = False,
        root: str | None = None,
        reconnect: bool = True,
        reconnect_max_tries: int = RECONNECT_MAX_TRIES,
        reconnect_max_delay: int = RECONNECT_MAX_DELAY,
        connect_timeout: int = CONNECT_TIMEOUT,
        *,
        aware: bool | None = None,
        mark_snapshots: bool | None = None,
    ) -> None:
        """``reconnect``, ``reconnect_max_delay`` and ``connect_timeout`` are accepted and change nothing."""
        self.root = root or self.ROOT_URI
        self.debug = debug
        self.reconnect_max_tries = _at_most("reconnect_max_tries", reconnect_max_tries, _MOST_TRIES)
        self.reconnect_max_delay = _at_least("reconnect_max_delay", reconnect_max_delay, _SHORTEST_MAX_DELAY_S)
        self.connect_timeout = connect_timeout
        self.aware = type(self).aware if aware is None else aware
        self.mark_snapshots = type(self).mark_snapshots if mark_snapshots is None else mark_snapshots
        self.on_ticks: Callback = None
        self.on_open: Callback = None
        self.on_close: Callback = None
        self.on_error: Callback = None
        self.on_connect: Callback = None
        self.on_message: Callback = None
        self.on_reconnect: Callback = None
        self.on_noreconnect: Callback = None
        self.on_order_update: Callback = None
        self._api_key = api_key
        self._access_token = Secret(access_token)
        self._callbacks = Callbacks(self)
        limits = load_feed_limits()
        self._link = Link(self._open, limits.connections * limits.instruments_per_connection)
        self._life: Delivery | None = None
        self._connecting = threading.Lock()
        if not reconnect:
            log.warning("reconnect=False changes nothing, as in the official client: call close() to end for good")

    # Connecting

    def connect(
        self, threaded: bool = False, disable_ssl_verification: bool = False, proxy: dict[str, Any] | None = None
    ) -> None:
        """Stream until :meth:`close` or :meth:`stop`: on a thread of its own, or else on this one.

        Connected already, it returns at once. Raises :class:`~kitecli.errors.UsageError` for a proxy and
        :class:`~kitecli.errors.KiteError` where no feed can be started on this machine; what the network does is told
        to the callbacks.
        """
        _refuse(proxy)
        if disable_ssl_verification:
            log.warning("disable_ssl_verification is ignored: the access token goes to verified servers only")
        life = self._begin()
        if life is None:
            return
        if threaded:
            threading.Thread(target=life.run, name="KiteTicker", daemon=True).start()
        else:
            with ended_by_signals(life.end):
                life.run()

    def is_connected(self) -> bool:
        """Whether every connection that was opened streams."""
        return self._life is not None and self._life.connected

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End; on_close(code or 1000, reason) follows. :meth:`connect` may be called again afterwards."""
        if self._life is not None:
            self._life.end(1000 if code is None else code, reason)

    def stop(self) -> None:
        """As :meth:`close`, but in an on_close that tells of a connection being restored it does nothing: the samples
        have it there, and there it would end the feed at its first interruption.
        """
        if self._life is not None and self._life.is_repairing_here:
            log.warning("stop() in on_close is ignored: the connection is being restored; close() would end it")
        elif self._life is not None:
            self._life.end()

    def stop_retry(self) -> None:
        """End if an interruption is being repaired, or else at the next one."""
        if self._life is not None:
            self._life.end_unless_connected()

    def set_access_token(self, access_token: str) -> None:
        """Use this one from the next handshake on; a feed that waits because the last one was refused tries at once."""
        self._access_token = Secret(access_token)
        self._link.offer(self._access_token)
        if self._life is not None:
            self._life.note_token()

    # Instruments

    def subscribe(self, instrument_tokens: Iterable[int]) -> bool:
        """Stream these, in quote mode unless they have another. Works at any time; an interruption undoes nothing."""
        return self._want(instrument_tokens, self._link.subscribe)

    def unsubscribe(self, instrument_tokens: Iterable[int]) -> bool:
        self._link.unsubscribe(self._sound(instrument_tokens))
        return True

    def set_mode(self, mode: str, instrument_tokens: Iterable[int]) -> bool:
        """Stream these in ``mode``, one of MODE_LTP, MODE_QUOTE, MODE_FULL; those not subscribed to, too."""
        return self._want(instrument_tokens, lambda tokens: self._link.set_mode(mode, tokens))

    def resubscribe(self) -> None:
        """Ask again for all of :attr:`subscribed_tokens`. Nothing needs it: interruptions are repaired without."""
        for mode in (self.MODE_LTP, self.MODE_QUOTE, self.MODE_FULL):
            tokens = [token for token, wanted in list(self.subscribed_tokens.items()) if wanted == mode]
            if tokens:
                self.set_mode(mode, tokens)

    @property
    def subscribed_tokens(self) -> dict[int, str]:
        """Token → mode, for scripts to read; changing it changes nothing until :meth:`resubscribe`."""
        return self._link.shown

    @subscribed_tokens.setter
    def subscribed_tokens(self, modes: dict[int, str]) -> None:
        self._link.shown = modes

    # Counters

    @property
    def callback_errors(self) -> Counter[str]:
        """How often each callback raised."""
        return self._callbacks.errors

    @property
    def lost_ticks(self) -> int:
        """Ticks lost since connect() because the callbacks were too slow for the feed, of all that share it."""
        return self._life.lost if self._life is not None else 0

    def _begin(self) -> Delivery | None:
        """A life to run, or None where the one there is goes on."""
        life = self._life
        if life is not None and not life.over.is_set() and life.thread is threading.current_thread():
            if life.ending:
                life.begin_again()
            return None
        with self._connecting:
            life = self._life
            if life is not None:
                if not life.ending and not life.over.is_set():
                    log.warning("connect() while connected does nothing")
                    return None
                life.over.wait()
            self._link.open()
            self._life = Delivery(self._link, self._callbacks, self._narrator, self._dictionaries())
            return self._life

    def _open(self) -> Source:
        return type(self).open_source(self._api_key, self._access_token, self.root)

    def _narrator(self) -> Narrator:
        return Narrator(ConnectResponse(peer=self.root), self.reconnect_max_tries)

    def _dictionaries(self) -> TickDictionaries:
        return TickDictionaries(aware=self.aware, mark_snapshots=self.mark_snapshots)

    def _want(self, tokens: Iterable[int], ask: Callable[[list[int]], None]) -> bool:
        """True in any case, as officially; what can't be had is told to on_error(0, why), as the broker tells it."""
        try:
            ask(self._sound(tokens))
        except KiteError as error:
            self._complain(error)
        return True

    def _sound(self, tokens: Iterable[int]) -> list[int]:
        good, wrong = sorted_out(tokens)
        if wrong is not None:
            self._complain(wrong)
        return good

    def _complain(self, error: KiteError) -> None:
        log.error("%s", error)
        if self._life is not None:
            self._life.tell(Refused(error))


def _refuse(proxy: dict[str, Any] | None) -> None:
    if proxy:
        raise UsageError(
            "The feed takes no proxy",
            why="it would have to be the feed process's, which other scripts may share",
            hint="route this machine's traffic to the ticker through the proxy instead",
        )


def _at_most(name: str, given: int, most: int) -> int:
    if given > most:
        log.warning("%s is %d at most, not %d", name, most, given)
    return min(given, most)


def _at_least(name: str, given: int, least: int) -> int:
    if given < least:
        log.warning("%s is %d at least, not %d", name, least, given)
    return max(given, least)
