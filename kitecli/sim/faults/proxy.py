"""The fault proxy: the shell between clients and the exchange's two entrances. Lives on one event loop.

What is to happen comes from a script's schedule or from :meth:`FaultProxy.do`; what happened is in ``truth``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from random import Random
from typing import Final

from kitecli.clock import NS_PER_S, Clock
from kitecli.errors import UsageError
from kitecli.sim.faults.certificates import Certificates
from kitecli.sim.faults.door import Door, Verdict, redirect, respond, tokens_in
from kitecli.sim.faults.entrance import Entrance
from kitecli.sim.faults.kinds import (
    AtTheDoor,
    Choice,
    CutHandshake,
    Fault,
    Fin,
    Freeze,
    HalfOpen,
    Malformed,
    Refuse,
    Rst,
    Rule,
    Script,
    Silence,
    Slow,
    Split,
    Standing,
    Status,
    Tls,
    What,
    Where,
)
from kitecli.sim.faults.link import MAX_HEAD_BYTES, Link
from kitecli.sim.faults.schedule import Schedule, Watch
from kitecli.sim.faults.side import Side
from kitecli.sim.faults.truth import Deed, Line, Truth

LONGEST_SLEEP_S: Final = 1.0
"""The schedule is looked at this often, because the wall clock may be set."""


class FaultProxy:
    """``targets``: the exchange's own ports. ``counts`` gets the faults done by kind, ``write`` the truth's lines."""

    def __init__(
        self,
        script: Script,
        *,
        host: str,
        targets: Mapping[Where, int],
        clock: Clock,
        counts: Counter[str],
        write: Callable[[Line], None],
    ) -> None:
        self.truth = Truth(counts, write)
        self.token_bytes: Counter[str] = Counter()
        self._host = host
        self._targets = targets
        self._clock = clock
        self._dice = Random(script.seed)  # noqa: S311 - the same seed, the same faults
        self._schedule = Schedule(script.rules, self._dice, clock.now_ns())
        self._tls = script.tls
        base = None if script.tls is None else "good"
        self._doors: dict[Where, Door] = {where: Door(where, base, self._is_over) for where in targets}
        self._entrances = {where: Entrance(host, partial(self._greet, where)) for where in targets}
        self._certificates = Certificates(clock.now_ns() / NS_PER_S) if script.tls else None
        self._links: dict[int, Link] = {}
        self._count = 0
        self._standing: list[tuple[Fault, Standing, Deed]] = []
        self._unlost: dict[int, list[Deed]] = {}
        self._shut: Counter[Where] = Counter()
        self._frozen: Counter[Where] = Counter()
        self._thawed = asyncio.Condition()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._trap: asyncio.Server | None = None

    @property
    def ca_file(self) -> str:
        """What clients must trust to accept ``tls: good``; nothing without TLS."""
        return str(self._certificates.ca_file) if self._certificates else ""

    @property
    def speaks_tls(self) -> bool:
        return self._tls is not None

    async def open(self, where: Where, port: int) -> int:
        """Listen at one entrance; returns its port. Raises OSError where it is taken."""
        if self._trap is None:
            self._trap = await asyncio.start_server(self._catch, self._host, 0, limit=MAX_HEAD_BYTES)
        trap = f"{self._host}:{self._trap.sockets[0].getsockname()[1]}"
        self._doors[where].redirect_to = f"{'ws' if where == 'ticker' else 'http'}://{trap}/"
        await self._entrances[where].open(port)
        return self._entrances[where].port

    def begin(self) -> None:
        """Do what is due at the start; call it once every entrance is open."""
        if self._tls not in (None, "good"):
            self.do(Fault(Tls(str(self._tls)), where=tuple(self._targets)))
        self._do_due()

    async def run(self) -> None:
        """Keep to the script until cancelled."""
        while True:
            next_ns, now_ns = self._schedule.next_ns(), self._clock.now_ns()
            wait_s = LONGEST_SLEEP_S if next_ns is None else (next_ns - now_ns) / NS_PER_S
            await asyncio.sleep(min(max(wait_s, 0.0), LONGEST_SLEEP_S))
            self._do_due()

    def close(self) -> None:
        """Close every socket, and write what is still under way."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for entrance in self._entrances.values():
            entrance.close()
        if self._trap is not None:
            self._trap.close()
        for link in tuple(self._links.values()):
            link.reset()
        if self._certificates is not None:
            self._certificates.close()
        self.truth.close()

    def report(self) -> dict[str, object]:
        """The truth, every open connection, and the bytes of tokens received at each entrance and at the trap."""
        connections = [
            {
                "connection": link.number,
                "where": link.where,
                "seat": link.seat,
                "instruments": len(link.modes),
                "texts": link.texts,
                "frames": link.frames,
            }
            for link in self._links.values()
        ]
        tokens = {name: self.token_bytes[name] for name in (*self._targets, "trap")}
        return self.truth.as_dict() | {"connections": connections, "token_bytes": tokens}

    def do(self, fault: Fault) -> list[Deed]:
        """Do it now; returns what was done, nothing where no connection fits. Raises UsageError for TLS without TLS."""
        if isinstance(fault.what, Tls) and not self.speaks_tls:
            raise UsageError(
                "tls can't change on a plain connection", hint="Start with a script that says tls: good at its top"
            )
        return [deed for where in fault.where for deed in self._do_where(fault, where)]

    def expect(self, rule: Rule) -> None:
        """Do it to connections that are opened from now on, when they have come to it."""
        self._schedule.add(rule)

    def _do_where(self, fault: Fault, where: Where) -> list[Deed]:
        if isinstance(fault.what, AtTheDoor):
            return [self._do_at_door(fault.what, where)]
        return self._do_to(fault, where, self._chosen(fault.choice, where))

    def _do_to(self, fault: Fault, where: Where, links: list[Link]) -> list[Deed]:
        if isinstance(fault.what, Standing):
            return [self._stand(fault, fault.what, where, links)]
        if isinstance(fault.what, AtTheDoor):
            return [self._do_at_door(fault.what, where)]
        return [self._do_one(fault.what, link) for link in links]

    def _do_due(self) -> None:
        for fault in self._schedule.due(self._clock.now_ns()):
            self.do(fault)

    def _chosen(self, choice: Choice, where: Where) -> list[Link]:
        links = sorted(self._at(where), key=lambda link: link.seat or 0)
        if where == "ticker":
            links = [link for link in links if link.seat is not None]
        if choice.random:
            return self._dice.sample(links, min(choice.random, len(links)))
        return [link for link in links if choice.is_all or link.seat in choice.seats]

    def _at(self, where: Where) -> list[Link]:
        return [link for link in self._links.values() if link.where == where and not link.is_over]

    # ---- faults of single connections

    def _do_one(self, what: What, link: Link) -> Deed:
        deed = self._record(what, link.where, link)
        match what:
            case Rst():
                self._lose(deed, link)
                link.reset()
            case Fin():
                self._lose(deed, link)
                link.finish()
            case HalfOpen(for_s):
                self._lose(deed, link, unlost_until_it_leaves=True)
                link.go_deaf()
                self._later(for_s, link.reset)
            case Silence(for_s):
                self._lose(deed, link, lives_on=True, unlost_until_it_leaves=True)
                link.stall("silence", reads=True)
                self._later(for_s, partial(self._speak_again, deed, link))
            case Malformed():
                link.spoil(what, deed)
                self._unlost.setdefault(link.number, []).append(deed)
        return deed

    def _speak_again(self, deed: Deed, link: Link) -> None:
        link.resume("silence")
        if deed in self._unlost.get(link.number, ()):
            self.truth.end(deed, self._clock.now_ns())

    def _lose(self, deed: Deed, link: Link, *, lives_on: bool = False, unlost_until_it_leaves: bool = False) -> None:
        """Note what the client loses. Where that is nothing, the deed is over now, or when the connection leaves."""
        deed.hits += 1
        outage = self.truth.lose(
            deed, link.modes, link.last_byte_ns, connection=link.number, seat=link.seat, lives_on=lives_on
        )
        link.awaited = lives_on and outage is not None
        if not lives_on:
            link.seat = None
        if outage is None and deed.connection is not None:  # an entrance's deed has an end of its own
            if unlost_until_it_leaves:
                self._unlost.setdefault(link.number, []).append(deed)
            else:
                self.truth.end(deed, deed.from_ns)

    # ---- faults that last and take in what comes

    def _stand(self, fault: Fault, what: Standing, where: Where, links: list[Link]) -> Deed:
        deed = self._record(what, where, links[0] if len(links) == 1 and not fault.choice.is_all else None)
        self._standing.append((fault, what, deed))
        for link in links:
            self._shape(link, what, deed)
        self._later(what.for_s, partial(self._stand_down, what, deed))
        return deed

    def _stand_down(self, what: Standing, deed: Deed) -> None:
        self._standing = [one for one in self._standing if one[2] is not deed]
        for link in self._links.values():
            link.unshape(what)
        self.truth.end(deed, self._clock.now_ns())

    def _shape(self, link: Link, what: Standing, deed: Deed) -> None:
        deed.hits += 1
        link.shape(what)

    # ---- faults of an entrance

    def _do_at_door(self, what: AtTheDoor, where: Where) -> Deed:
        deed = self._record(what, where)
        match what:
            case Refuse(for_s):
                self._shut[where] += 1
                self._entrances[where].shut()
                for link in self._at(where):
                    self._lose(deed, link)
                    link.reset()
                self._later(for_s, partial(self._reopen, deed))
            case Freeze(for_s):
                self._frozen[where] += 1
                for link in self._at(where):
                    self._lose(deed, link, lives_on=True, unlost_until_it_leaves=True)
                    link.stall("freeze", reads=False)
                self._later(for_s, partial(self._thaw, deed))
            case CutHandshake() | Status() | Tls():
                self._doors[where].begin(what, deed)
                self._later(what.for_s, partial(self._leave_door, deed))
        return deed

    def _leave_door(self, deed: Deed) -> None:
        self._doors[deed.where].end(deed)
        self._is_over(deed)

    def _is_over(self, deed: Deed) -> None:
        self.truth.end(deed, self._clock.now_ns())

    def _reopen(self, deed: Deed) -> None:
        self._shut[deed.where] -= 1
        self._is_over(deed)
        if not self._shut[deed.where]:
            self.spawn(self._entrances[deed.where].reopen())

    def _thaw(self, deed: Deed) -> None:
        self._frozen[deed.where] -= 1
        self._is_over(deed)
        if not self._frozen[deed.where]:
            self.spawn(self._go_on(deed.where))

    async def _go_on(self, where: Where) -> None:
        for link in self._at(where):
            link.resume("freeze")
        async with self._thawed:
            self._thawed.notify_all()

    # ---- what links ask and tell

    def requested(self, link: Link, head: bytes) -> Verdict:
        door = self._doors[link.where]
        self.token_bytes[link.where] += sum(len(token) for token in tokens_in(head))
        if link.is_captive:
            door.count_tokens(head)
            return Verdict(answer=redirect(door.redirect_to))
        return door.request(head)

    async def connect(self, link: Link, side: Side) -> None:
        await asyncio.get_running_loop().create_connection(lambda: side, self._host, self._targets[link.where])

    def opened(self, link: Link) -> Watch:
        taken = {one.seat for one in self._at("ticker")}
        link.seat = next(seat for seat in range(len(taken) + 1) if seat not in taken)
        for fault, what, deed in self._standing:
            if not fault.choice.is_all and link.where in fault.where and fault.choice.covers(link.seat):
                self._shape(link, what, deed)
        return self._schedule.watch(link.seat)

    def asked(self, link: Link) -> None:
        link.awaited = self.truth.asked(link.number, link.modes)

    def data(self, link: Link) -> None:
        link.awaited = self.truth.data(link.number, link.modes, self._clock.now_ns())

    def triggered(self, link: Link, rule: Rule) -> None:
        if not link.is_over and self._schedule.spend(rule):
            self._do_to(rule.fault, link.where, [link])

    def left(self, link: Link) -> None:
        if self._links.pop(link.number, None) is not None:
            self.truth.left(link.number)
            for deed in self._unlost.pop(link.number, ()):
                self._is_over(deed)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- new connections

    def _greet(self, where: Where) -> Side:
        self._count += 1
        link = Link(self._count, where, self, self._clock, self._dice)
        self._links[link.number] = link
        link.stall("greeting", reads=False)  # what a client says first may be for TLS to read
        for fault, what, deed in self._standing:
            if fault.choice.is_all and where in fault.where:
                self._shape(link, what, deed)
        return link.client

    def arrived(self, link: Link) -> None:
        self.spawn(self._admit(link))

    async def _admit(self, link: Link) -> None:
        """Let a connection in as its door says, once nothing is frozen."""
        async with self._thawed:
            await self._thawed.wait_for(lambda: not self._frozen[link.where])
        if link.is_over:
            return
        form, cut = self._doors[link.where].arrive()
        if cut:
            link.reset()
            return
        if form == "plaintext_redirect":
            link.is_captive = True
        elif form is not None and not await self._has_greeted(link, form):
            return
        link.resume("greeting")

    async def _has_greeted(self, link: Link, form: str) -> bool:
        """The TLS handshake. False where there was none: the client has refused us, mostly."""
        assert self._certificates is not None  # forms are known with TLS only
        assert link.client.transport is not None
        context = self._certificates.context(form)
        loop, plain = asyncio.get_running_loop(), link.client.transport
        try:
            sealed = await loop.start_tls(plain, link.client, context, server_side=True)
        except OSError:  # ssl.SSLError is one
            link.reset()
            return False
        if sealed is None:  # it left meanwhile, says typeshed
            return False
        link.client.adopt(sealed)
        return True

    async def _catch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The trap that redirects lead to: whoever comes here has followed one in the clear."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.token_bytes["trap"] += sum(len(token) for token in tokens_in(head))
            writer.write(respond(404, "text/plain", b"a trap\n"))
            await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # it said nothing we could count
        finally:
            writer.close()

    # ---- small things

    def _record(self, what: What, where: Where, link: Link | None = None) -> Deed:
        number, seat = (link.number, link.seat) if link else (None, None)
        return self.truth.begin(what.kind, _detail(what), where, self._clock.now_ns(), number, seat)

    def _later(self, for_s: float | None, work: Callable[[], None]) -> None:
        if for_s is None:
            return

        def do() -> None:
            self._timers.discard(timer)
            work()

        timer = asyncio.get_running_loop().call_later(for_s, do)
        self._timers.add(timer)


def _detail(what: What) -> str:
    match what:
        case Malformed() | Tls():
            return what.form
        case Status():
            return str(what.code)
        case CutHandshake():
            return what.stage
        case Split():
            return what.into
        case Slow():
            parts = [f"{what.bytes_per_s} B/s"] if what.bytes_per_s else []
            return ", ".join(parts + ([f"{what.delay_s:g} s late"] if what.delay_s else []))
        case _:
            return ""
