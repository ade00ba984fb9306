"""One websocket's life: connect, tell it what is wanted, hand every message on, and begin again when it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time_ns
from typing import Final

from kitecli.errors import AuthError, ConnectionFailed, ConnectionStale, HandshakeForbidden, KiteError
from kitecli.feed.address import TickerAddress
from kitecli.feed.events import ConnectionStatus, FeedEvent
from kitecli.feed.gaps import GapBook
from kitecli.feed.liveness import LOOK_S, FeedLimits, Liveness, State
from kitecli.feed.policy import ReconnectPolicy, hopeless
from kitecli.feed.subscriptions import Subscriptions, Update
from kitecli.feed.transport import Closed, Link, Transport
from kitecli.market.gap import Gap
from kitecli.protocol.messages import parse_server_text
from kitecli.secret import Secret

Ingest = Callable[[memoryview | bytes, int, int], int]
"""Takes (frame, ts_recv_ns, connection) and returns the number of ticks it held; never raises on bad bytes."""
Expect = Callable[[int, Update], None]
"""Told what a connection's socket is about to be asked for: the next packets of what is fresh are snapshots."""
FAREWELL_S: Final = 1.0
NOWHERE: Final = Secret("")


class FeedConnection:
    """Connection ``index`` of a pool, which calls :meth:`look` every ``LOOK_S`` while :meth:`run` runs."""

    def __init__(
        self,
        index: int,
        *,
        address: TickerAddress,
        transport: Transport,
        subscriptions: Subscriptions,
        ingest: Ingest,
        policy: ReconnectPolicy,
        notify: Callable[[FeedEvent], None],
        expect: Expect = lambda *_: None,
        limits: FeedLimits | None = None,
        now_ns: Callable[[], int] = time_ns,
    ) -> None:
        self.index = index
        self._address = address
        self._transport = transport
        self._subscriptions = subscriptions
        self._ingest = ingest
        self._expect = expect
        self._policy = policy
        self._notify = notify
        self._limits = limits or FeedLimits()
        self._now_ns = now_ns
        self._liveness = Liveness(self._limits, now_ns())
        self._gaps = GapBook(index)
        self._link: Link | None = None
        self._stale: ConnectionStale | None = None
        self._restored_ns = self._last_frame_ns = self._last_tick_ns = 0
        self._unheard = False
        self._ping_s = 0.0
        self._attempts = self._connects = 0
        self._url = NOWHERE

    @property
    def state(self) -> State:
        return self._liveness.state

    @property
    def down(self) -> bool:
        """Whether it has no open socket; a new one will be asked for everything."""
        return self._link is None

    def status(self) -> ConnectionStatus:
        return ConnectionStatus(
            index=self.index,
            state=self.state,
            since_ns=self._liveness.since_ns,
            cause=self._liveness.cause,
            instruments=self._subscriptions.load(self.index),
            last_frame_ns=self._last_frame_ns or None,
            last_tick_ns=self._last_tick_ns or None,
            attempts=self._attempts,
            connects=self._connects,
            gaps=self._gaps.count,
            rtt_ns=self._link.rtt_ns if self._link is not None else None,
        )

    async def run(self) -> None:
        """Keep the connection up until cancelled. Raises the failure that makes trying again useless."""
        self._enter(State.RECONNECTING)
        cause: KiteError | None = None
        try:
            while True:
                await self._stream(await self._connect())
        except KiteError as failure:
            cause = failure
            raise
        finally:
            await self._hang_up()
            self._close_gap(self._now_ns())
            self._enter(State.DOWN, cause)

    def flush(self) -> None:
        """Send what the socket has not been told yet. Nothing is lost while it is down: a new socket is told all."""
        if self._link is None:
            return
        update = self._subscriptions.update(self.index)
        if update.texts:
            self._expect(self.index, update)
        for text in update.texts:
            self._link.send_text(text)

    def on_binary(self, payload: memoryview | bytes) -> None:
        """The one path of every tick: two stamps are all that is kept here; :meth:`look` makes sense of them."""
        now_ns = self._now_ns()
        if self._unheard:
            self._first_message(now_ns)
        self._last_frame_ns = now_ns
        if self._ingest(payload, now_ns, self.index):
            self._last_tick_ns = now_ns

    def on_text(self, text: str) -> None:
        self._last_frame_ns = self._now_ns()
        message = parse_server_text(text)
        self._notify(FeedEvent(self.index, self.state, self._liveness.since_ns, message=message))

    def look(self) -> None:
        """Judge the open socket by what came since the last look; give it up if that was nothing for too long."""
        if self._link is None or self._stale is not None:
            return
        now_s = self._now_s()
        state = self._liveness.look(now_s, self._last_frame_ns, self._last_tick_ns)
        if state is State.STALE:
            self._give_up(self._link)
            return
        if state is not self.state:
            self._enter(state)
        if not self._unheard:
            self._policy.spoken(now_s)
        if now_s >= self._ping_s:
            self._ping_s = now_s + self._limits.ping_s
            self._link.ping()

    async def _connect(self) -> Link:
        """Try until a socket is open and has been told what is wanted."""
        while True:
            try:
                link = await self._open(await self._turn())
            except AuthError as refusal:
                await self._await_token(refusal)
            except KiteError as failure:
                await self._pause(failure)
            else:
                self._restore(link)
                return link

    async def _turn(self) -> Secret:
        """Wait until this connection may try; returns the address to try. In short sleeps: success of another shortens
        the wait."""
        while True:
            wait_s = self._policy.account.wait_s(self._now_s(), at_once=self._policy.at_once)
            if not wait_s:
                self._url = NOWHERE
                self._url = self._address.url()
                if self._policy.account.begin(self._url, self._now_s()):
                    return self._url
                wait_s = LOOK_S
            await asyncio.sleep(min(wait_s, LOOK_S))

    async def _open(self, url: Secret) -> Link:
        self._attempts += 1
        try:
            return await self._transport.open(url, self)
        except HandshakeForbidden as refusal:
            self._policy.account.refused(url, refusal)
            raise
        finally:
            self._policy.account.finish(url)

    def _restore(self, link: Link) -> None:
        """Tell a new socket everything. Until it has spoken after that, the outage isn't over."""
        now_s = self._now_s()
        self._link = link
        self._connects += 1
        self._policy.opened(self._url, now_s)
        self._liveness.opened(now_s, self._last_frame_ns, self._last_tick_ns, self._policy.patience)
        self._ping_s = now_s
        if self.state is not State.RECONNECTING:
            self._enter(State.RECONNECTING)
        self._subscriptions.forget(self.index)
        self.flush()
        self._restored_ns = self._now_ns()
        self._unheard = True

    async def _stream(self, link: Link) -> None:
        """Until the connection has ended and its pause is over. What comes goes to :meth:`on_binary`."""
        closed = await link.wait_closed()
        self._link = None
        failure = self._stale or _ended(closed)
        self._stale = None
        self._open_gap(failure)
        delay_s = self._policy.ended(self._now_s(), spoke=not self._unheard)
        self._unheard = False
        self._enter(State.RECONNECTING, failure, self._retry_in_s(delay_s))
        await asyncio.sleep(delay_s)

    async def _pause(self, failure: KiteError) -> None:
        """After a failed attempt: wait, or raise the failure where that is no use."""
        delay_s = self._policy.failed(failure, self._now_s())
        if delay_s is None:
            raise failure
        self._enter(State.DOWN if hopeless(failure) else State.RECONNECTING, failure, self._retry_in_s(delay_s))
        await asyncio.sleep(delay_s)

    async def _await_token(self, refusal: AuthError) -> None:
        """Wait for another token, or for the second chance of this one; raises the refusal where neither can come."""
        chance_s = self._policy.account.second_chance_s(self._url)
        self._enter(State.AUTH, refusal, chance_s)
        try:
            async with asyncio.timeout(chance_s):
                await self._address.changed(self._url)
        except TimeoutError:
            pass
        except AuthError:
            if chance_s is None:
                raise refusal from None
            await asyncio.sleep(chance_s)
        await asyncio.sleep(LOOK_S)  # an address that errs about what has changed is no reason to spin
        self._policy.at_once = True

    def _give_up(self, link: Link) -> None:
        self._stale = ConnectionStale(
            "The ticker's connection went silent",
            why=f"nothing came for {self._limits.stale_s:g} s or more, not even a heartbeat",
            hint="if it happens often, look at the network between here and the broker",
        )
        self._enter(State.STALE, self._stale)
        self._open_gap(self._stale)
        link.abort()

    async def _hang_up(self) -> None:
        """Leave no socket behind: the broker counts it until it is closed."""
        link, self._link = self._link, None
        if link is None:
            return
        link.close()
        try:
            async with asyncio.timeout(FAREWELL_S):
                await link.wait_closed()
        except TimeoutError:
            link.abort()
            await link.wait_closed()

    def _first_message(self, now_ns: int) -> None:
        """Told before the message is taken in, so that who owns the ring can say where the gap lies in it."""
        self._unheard = False
        self._enter(State.LIVE)
        self._close_gap(now_ns)

    def _open_gap(self, cause: KiteError) -> None:
        why = f"{cause.what}: {cause.why}"
        self._tell_gap(
            self._gaps.begin(self._last_frame_ns or self._restored_ns, self._subscriptions.carried(self.index), why)
        )

    def _close_gap(self, now_ns: int) -> None:
        self._tell_gap(self._gaps.end(now_ns, self._subscriptions.carried(self.index)))

    def _enter(self, state: State, cause: KiteError | None = None, retry_in_s: float | None = None) -> None:
        self._liveness.enter(state, self._now_ns(), cause)
        self._notify(FeedEvent(self.index, state, self._liveness.since_ns, cause, retry_in_s))

    def _tell_gap(self, gap: Gap | None) -> None:
        if gap is not None:
            self._notify(FeedEvent(self.index, self.state, self._liveness.since_ns, gap=gap))

    def _retry_in_s(self, delay_s: float) -> float:
        return max(delay_s, self._policy.account.wait_s(self._now_s(), at_once=self._policy.at_once))

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _ended(closed: Closed) -> ConnectionFailed:
    return ConnectionFailed("The ticker's connection ended", why=f"{closed.code} {closed.reason}".strip())
