"""The thin shell of the simulated exchange: sockets, the clock and the loop. Everything it decides, the core decides.

One asyncio loop serves the ticker (picows) and REST on loopback, and moves the source.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, replace
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qs

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from kitecli.clock import NS_PER_S, Clock, SystemClock, ist
from kitecli.errors import UsageError
from kitecli.logs import about, logger
from kitecli.sim.calls import JSON, Request, Response
from kitecli.sim.candles import Candles, load_spans
from kitecli.sim.control import control_routes
from kitecli.sim.faults.kinds import Script
from kitecli.sim.faults.proxy import FaultProxy
from kitecli.sim.faults.script import read_script
from kitecli.sim.faults.truth import Line
from kitecli.sim.history import History, MarketHistory, TableHistory
from kitecli.sim.http import serve_http
from kitecli.sim.ledger import Ledger
from kitecli.sim.load import LoadSession, LoadSource, stamped
from kitecli.sim.login import USER_ID, LoginDesk
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.options import LOAD, Ready, SimOptions
from kitecli.sim.rest import RestApi
from kitecli.sim.sessions import Refusal, Sessions
from kitecli.sim.shipped import shipped_calendar
from kitecli.sim.tape import TableSource
from kitecli.sim.ticker import TickerSession
from kitecli.sim.universe import build_universe
from kitecli.store.folder import PACKED_SUFFIX, SUFFIX

HOST: Final = "127.0.0.1"
# A client that lags by this much is passed over (market) or waited for (table). 5,000 full packets.
MAX_UNSENT_BYTES: Final = 1024 * 1024
if TYPE_CHECKING:
    from kitecli.sim.recorded import RecordedSource

# A table starts when subscriptions have been quiet for this long: pools subscribe in several messages.
QUIET_NS: Final = 250_000_000
LONGEST_SLEEP_S: Final = 0.05
HEARTBEAT_CHECK_S: Final = 0.1
LOG: Final = logger("kitecli.sim")

T = TypeVar("T")


def build_source(options: SimOptions, now_ns: int) -> SyntheticMarket | LoadSource | TableSource | RecordedSource:
    """Raises DataError, EnvironmentProblem or UsageError, as the source's constructor."""
    if options.is_synthetic and (options.start or options.speed != 1):
        raise UsageError(
            "The synthetic market has no recorded times",
            why="--start and --speed say where and how fast to play a table of ticks",
            hint="Leave them out, or give a table with --source FILE; --rate makes the market faster",
        )
    if not options.is_synthetic:
        return _played(Path(options.source), options)
    day = ist(now_ns // NS_PER_S).date()
    if options.source == LOAD:
        return LoadSource(
            day,
            options.instruments,
            seed=options.seed,
            rate=options.rate,
            start_ns=now_ns,
            step_ms=options.step_ms,
            burst=options.burst,
            burst_s=options.burst_s,
        )
    universe = build_universe(day, options.instruments)
    return SyntheticMarket(universe, seed=options.seed, rate=options.rate, start_ns=now_ns)


def _played(path: Path, options: SimOptions) -> TableSource | RecordedSource:
    if not path.is_dir() and path.suffix not in (SUFFIX, PACKED_SUFFIX):
        return TableSource(path, speed=options.speed, start=options.start)
    from kitecli.sim.recorded import RecordedSource  # with the store, a tenth of a second that few exchanges need

    return RecordedSource(
        path,
        speed=options.speed,
        start=options.start,
        to=options.to,
        symbols=options.symbols,
        past_damage=options.past_damage,
    )


def history_of(source: SyntheticMarket | LoadSource | TableSource | RecordedSource, seed: int) -> History:
    """Where its candles come from."""
    if isinstance(source, SyntheticMarket):
        return MarketHistory(source, seed, shipped_calendar)
    if isinstance(source, LoadSource | TableSource):
        return TableHistory(source)
    return TableHistory(source, source.close)


async def serve(
    options: SimOptions, ready: Callable[[Ready], None], stop: asyncio.Event, clock: Clock | None = None
) -> Ledger:
    """Serve until ``stop`` is set; call ``ready`` once both ports listen. Returns what was sent.

    Raises UsageError for a port that is taken, a ledger that can't be written and options that don't fit, and as
    :func:`build_source`.
    """
    exchange = SimulatedExchange(options, clock or SystemClock())
    _check_files(options)
    tasks: list[asyncio.Future[object]] = []
    try:
        listening = await exchange.open()
        where = about(ws_url=listening.ws_url, api_url=listening.api_url, instruments=listening.instruments)
        LOG.info("the simulated exchange listens; it plays %s", listening.source, extra=where)
        ready(listening)
        tasks = [asyncio.ensure_future(work) for work in (*exchange.works(), stop.wait())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        exchange.close()
        LOG.info("the simulated exchange ends", extra=about(**exchange.ledger.totals()))
        _write_ledger(options, exchange.ledger)
    return exchange.ledger


def serve_until_interrupted(options: SimOptions, ready: Callable[[Ready], None]) -> Ledger:
    """As :func:`serve`, in this process, until Ctrl-C or SIGTERM. Call it on the main thread."""

    async def work() -> Ledger:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        before = {
            kind: signal.signal(kind, lambda *_: loop.call_soon_threadsafe(stop.set))
            for kind in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            return await serve(options, ready, stop)
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    return asyncio.run(work())


class SimulatedExchange:
    """What the ticker's connections and REST share. ``room``: set when a socket takes more again.

    ``proxy`` stands before both ports where the options have a script of faults.
    """

    def __init__(self, options: SimOptions, clock: Clock) -> None:
        _check_packets_per_frame(options.packets_per_frame)
        self.options = options
        self.clock = clock
        now_ns = clock.now_ns()
        self.source = build_source(options, now_ns)
        tokens = [instrument.instrument_token for instrument in self.source.instruments]
        self.slot_of = {token: slot for slot, token in enumerate(tokens)}
        self.ledger = Ledger(tokens)
        self.sessions = Sessions(lambda: secrets.token_hex(16), now_ns, options.redirect_url)
        self.login = LoginDesk(self.sessions, lambda: secrets.token_hex(16))
        self.clients: set[Client] = set()
        self.state = "running" if options.is_synthetic else "waiting"
        self.room = asyncio.Event()
        self.proxy: FaultProxy | None = None
        self._asked_ns = now_ns
        self._servers: list[asyncio.Server] = []
        self._script = read_script(options.faults) if options.faults else None
        self.history = history_of(self.source, options.seed)
        candles = Candles(self.source.instruments, self.history, load_spans(), shipped_calendar)
        routes = control_routes(self)
        self._rest = RestApi(self.source, self.sessions, routes, candles, self.login, limited=options.rate_limits)

    async def open(self) -> Ready:
        """Listen; with faults it is the proxy that has the ports that were asked for."""
        ws_port, api_port = self.options.ws_port, self.options.api_port
        if self._script is None:
            ticker, rest = await self._listen(ws_port, api_port)
            return self.ready(f"ws://{HOST}:{ticker}", f"http://{HOST}:{rest}", f"http://{HOST}:{rest}")
        ticker, rest = await self._listen(0, 0)
        self.proxy = proxy = self._make_proxy(self._script, ticker, rest)
        ws_port = await _listening(proxy.open("ticker", ws_port), ws_port)
        api_port = await _listening(proxy.open("rest", api_port), api_port)
        proxy.begin()
        sealed = "s" if proxy.speaks_tls else ""
        addresses = (f"ws{sealed}://{HOST}:{ws_port}", f"http{sealed}://{HOST}:{api_port}", f"http://{HOST}:{rest}")
        return self.ready(*addresses, proxy.ca_file)

    def works(self) -> list[Coroutine[None, None, None]]:
        """What it does until it is stopped."""
        works = [self.send_ticks(), self.send_heartbeats(), *([self.proxy.run()] if self.proxy else [])]
        return [*works, self.wait_until_idle()] if self.options.idle_s else works

    async def wait_until_idle(self) -> None:
        """Until nobody has been connected for the time of the options."""
        heard_ns = self.clock.now_ns()
        while self.clock.now_ns() - heard_ns < self.options.idle_s * NS_PER_S:
            if self.clients:
                heard_ns = self.clock.now_ns()
            await asyncio.sleep(HEARTBEAT_CHECK_S)

    def ready(self, ws_url: str, api_url: str, control_url: str, ca_file: str = "") -> Ready:
        session = self.sessions.current
        waits = not self.options.is_synthetic and self.options.start_on_subscribe
        return Ready(
            ws_url=ws_url,
            api_url=api_url,
            control_url=control_url,
            ca_file=ca_file,
            api_key=self.sessions.api_key,
            access_token=session.access_token if session else "",
            api_secret=self.sessions.api_secret,
            request_token=self.sessions.new_request_token(self.clock.now_ns()),
            pid=os.getpid(),
            source=self.options.source,
            instruments=len(self.source.instruments),
            note="the table starts with the first subscription" if waits else "ticking",
            login_url=f"{api_url}/connect/login",
            redirect_url=self.options.redirect_url,
            user_id=USER_ID,
            password=self.login.password,
            totp_secret=self.login.totp_secret,
        )

    def status(self) -> dict[str, object]:
        """``state``: waiting (a table, for its first subscription), running or ended."""
        return {
            "state": "ended" if self.source.ended else self.state,
            "source": self.options.source,
            "instruments": len(self.source.instruments),
            "connections": len(self.clients),
            "faults": dict(self.ledger.faults),
            **self.ledger.totals(),
        }

    def subscriptions(self) -> dict[int, dict[int, str]]:
        """{connection: {token: mode}} of the open connections, by the ledger's numbers."""
        return {client.session.count.id: client.session.modes for client in self.clients}

    def new_request_token(self, now_ns: int) -> str:
        return self.sessions.new_request_token(now_ns)

    def change_app(self, changes: Mapping[str, object]) -> dict[str, object]:
        """What one does in the developer console: another redirect URL, a user let in or out, another plan."""
        for name, value in changes.items():
            if not isinstance(value, type(getattr(self.sessions.app, name, None))):
                raise UsageError(f"The app has no {name} of this kind", hint="redirect_url, linked, market_data")
            setattr(self.sessions.app, name, value)
        return asdict(self.sessions.app)

    def renew_token(self, now_ns: int) -> str:
        """The old access token is refused from now on. Open connections stay, as the broker's do."""
        return self.sessions.renew(now_ns).access_token

    def accept(self, request: WSUpgradeRequest) -> Client | WSUpgradeResponseWithListener:
        """The handshake: a listener, or an HTTP error with the broker's body."""
        query = parse_qs(request.path.decode("latin-1").partition("?")[2])
        api_key, access_token = (query.get(name, [""])[0] for name in ("api_key", "access_token"))
        refusal = self.sessions.admit(api_key, access_token, len(self.clients), self.clock.now_ns())
        if refusal:
            LOG.warning("a connection is refused: HTTP %d, %s", refusal.status, refusal.message)
        return _refused(refusal) if refusal else Client(self)

    def answer(self, request: Request) -> Response:
        now_ns = self.clock.now_ns()
        response = self._rest.handle(request, now_ns)
        date = formatdate(now_ns / NS_PER_S, usegmt=True)  # clients compare their clock with it
        return replace(response, headers=(*response.headers, ("Date", date)))

    def open_session(self) -> TickerSession:
        packets = self.options.packets_per_frame
        kind = LoadSession if isinstance(self.source, LoadSource) else TickerSession
        return kind(self.source, self.slot_of, self.ledger, packets, self.clock.now_ns())

    def note_request(self) -> None:
        self._asked_ns = self.clock.now_ns()

    async def send_ticks(self) -> None:
        if not self.options.is_synthetic:
            await self._wait_for_subscriptions()
        self.source.begin(self.clock.now_ns())
        self.state = "running"
        while not self.source.ended:
            if self.source.lossless:
                await self._wait_for_readers()
            now_ns = self.clock.now_ns()
            batch = self.source.advance(now_ns)
            if batch.slots.size:
                self.history.take(batch)
                for client in tuple(self.clients):
                    client.send_frames(client.session.route(batch, now_ns, congested=client.congested))
            pause_s = (self.source.next_ns() - self.clock.now_ns()) / NS_PER_S
            await asyncio.sleep(min(max(pause_s, 0), LONGEST_SLEEP_S))
        await asyncio.Event().wait()  # the heartbeats go on

    async def send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_CHECK_S)
            now_ns = self.clock.now_ns()
            for client in tuple(self.clients):
                if not client.congested and (beat := client.session.heartbeat(now_ns)):
                    client.send_frames([beat])

    def close(self) -> None:
        if self.proxy is not None:
            self.proxy.close()
        for server in self._servers:
            server.close()
        for client in tuple(self.clients):
            client.transport.disconnect()
        self.history.close()

    async def _listen(self, ws_port: int, api_port: int) -> list[int]:
        """Open both ports; returns their numbers."""
        self._servers.append(await _listening(ws_create_server(self.accept, HOST, ws_port), ws_port))
        self._servers.append(await _listening(serve_http(self.answer, HOST, api_port), api_port))
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    def _make_proxy(self, script: Script, ticker: int, rest: int) -> FaultProxy:
        return FaultProxy(
            script,
            host=HOST,
            targets={"ticker": ticker, "rest": rest},
            clock=self.clock,
            counts=self.ledger.faults,
            write=self._write_fault,
        )

    def _write_fault(self, line: Line) -> None:
        LOG.info("a fault: %s", line.get("kind", ""), extra=about(fault=line))
        if self.options.fault_log:
            _save(self.options.fault_log, "fault log", "a", json.dumps(line) + "\n")

    async def _wait_for_subscriptions(self) -> None:
        while self.options.start_on_subscribe:
            quiet = self.clock.now_ns() - self._asked_ns >= QUIET_NS
            if quiet and any(client.session.has_subscriptions for client in self.clients):
                return
            await asyncio.sleep(QUIET_NS / 10 / NS_PER_S)

    async def _wait_for_readers(self) -> None:
        while any(client.congested and client.session.has_subscriptions for client in self.clients):
            self.room.clear()
            await self.room.wait()


class Client(WSListener):
    """One connection. picows calls these methods; ``congested`` is true while the socket doesn't take more."""

    transport: WSTransport
    session: TickerSession

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._parts: list[bytes] = []
        self.congested = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
        self.session = self._exchange.open_session()
        self._exchange.clients.add(self)
        LOG.info("a connection is open, of %d now", len(self._exchange.clients))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows's signature
        self._exchange.clients.discard(self)
        LOG.info("a connection has ended; %d are left", len(self._exchange.clients))
        self._exchange.room.set()
        self.session.close()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pings are answered by picows; a bare pong is never sent (it makes the official client hang up)."""
        if frame.msg_type == WSMsgType.CLOSE:
            code = frame.get_close_code()
            # 0, which no answer may say, stands for none: the official client's close() sends none.
            transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text, self._parts = b"".join(self._parts), []
                self._receive(text)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self._exchange.room.set()

    def send_frames(self, frames: list[bytes]) -> None:
        send, kind = self.transport.send, WSMsgType.BINARY
        if self.session.stamps:  # one by one: the clock is read just before each is written
            now_ns = self._exchange.clock.now_ns
            for frame in frames:
                send(kind, stamped(frame, now_ns()))
            return
        for frame in frames:
            send(kind, frame)

    def _receive(self, text: bytes) -> None:
        self._exchange.note_request()
        for answer in self.session.receive_text(text, self._exchange.clock.now_ns()):
            kind = WSMsgType.TEXT if isinstance(answer, str) else WSMsgType.BINARY
            if self.session.stamps and isinstance(answer, bytes):
                self.send_frames([answer])
                continue
            self.transport.send(kind, answer.encode() if isinstance(answer, str) else answer)


def _refused(refusal: Refusal) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(refusal.status, refusal.body(), {"Content-Type": JSON})
    return WSUpgradeResponseWithListener(response, None)


async def _listening(opening: Awaitable[T], port: int) -> T:
    try:
        return await opening
    except OSError as error:
        raise UsageError(
            f"Port {port} can't be listened on", why=str(error), hint="Choose another, or 0 for a free one"
        ) from None


def _check_packets_per_frame(packets: int) -> None:
    if not 1 <= packets <= 65535:
        raise UsageError(
            f"{packets} packets in a frame aren't possible",
            why="a message's count has 16 bits",
            hint="Give --packets-per-frame a number from 1 to 65535",
        )


def _check_files(options: SimOptions) -> None:
    """At the start, because a day's run shouldn't end by losing what it counted. Keeps an earlier run's ledger."""
    if options.ledger:
        _save(options.ledger, "ledger", "a", "")
    if options.fault_log:
        _save(options.fault_log, "fault log", "w", "")


def _write_ledger(options: SimOptions, ledger: Ledger) -> None:
    if options.ledger:
        _save(options.ledger, "ledger", "w", json.dumps(ledger.as_dict(), indent=1) + "\n")


def _save(path: str, what: str, how: str, text: str) -> None:
    try:
        with Path(path).open(how, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"The {what} {path} can't be written",
            why=error.strerror or str(error),
            hint=f"Give --{what.replace(' ', '-')} a file in a folder that exists and can be written to",
        ) from None
