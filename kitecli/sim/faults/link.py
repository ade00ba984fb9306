"""One client's connection through the proxy: bytes both ways, frames where a fault wants to know of them.

While nothing is asked of it, a link passes chunks on as they come and looks at frames' headers only. Clocks: stamps are
the wall clock's nanoseconds, delays the loop's seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from random import Random
from typing import Final, Protocol

from kitecli.clock import Clock
from kitecli.protocol.messages import parse_client_text
from kitecli.sim.faults.damage import carries_ticks, in_fragments, in_segments, spoil
from kitecli.sim.faults.door import Verdict
from kitecli.sim.faults.frames import BINARY, CONTINUATION, TEXT, Frame, FrameBuffer, FrameScanner, Mark
from kitecli.sim.faults.kinds import Malformed, Merge, Rule, Slow, Split, Standing, Where
from kitecli.sim.faults.outlet import Outlet
from kitecli.sim.faults.schedule import Watch
from kitecli.sim.faults.side import HIGH_WATER_BYTES, Side
from kitecli.sim.faults.truth import Deed

MAX_HEAD_BYTES: Final = 128 * 1024
MAX_HELD_BYTES: Final = 1024 * 1024
MERGE_S: Final = 0.1
_HEAD_END: Final = b"\r\n\r\n"
_REQUEST: Final = re.compile(rb"[A-Z]+ /")


class Keeper(Protocol):
    """Who decides for a link, and hears of it: the proxy."""

    def arrived(self, link: Link) -> None: ...
    def requested(self, link: Link, head: bytes) -> Verdict: ...
    def connect(self, link: Link, side: Side) -> Coroutine[None, None, None]: ...
    def opened(self, link: Link) -> Watch: ...
    def asked(self, link: Link) -> None: ...
    def data(self, link: Link) -> None: ...
    def triggered(self, link: Link, rule: Rule) -> None: ...
    def left(self, link: Link) -> None: ...
    def spawn(self, work: Coroutine[None, None, None]) -> None: ...


class Link:
    """Connection ``number``, counted from 1. ``seat``: see Choice; None until its handshake is through.

    ``modes``: what the client is subscribed to. ``awaited``: the keeper wants to hear of data that goes to the client.
    ``is_captive``: whatever comes first is taken for a request, a TLS greeting too.
    """

    def __init__(self, number: int, where: Where, keeper: Keeper, clock: Clock, dice: Random) -> None:
        self.number = number
        self.where = where
        self.seat: int | None = None
        self.modes: dict[int, str] = {}
        self.texts = self.frames = self.last_byte_ns = 0
        self.awaited = self.is_over = self.is_captive = False
        self._keeper = keeper
        self._clock = clock
        self._dice = dice
        self._loop = asyncio.get_running_loop()
        self.client = Side(self._client_said, self._client_left, lambda: keeper.arrived(self))
        self.server = Side(self._server_said, self._server_left)
        self.client.peer, self.server.peer = self.server, self.client
        self._head = b""
        self._requested = self._answered = self._deaf = self._ending = False
        self._cut_answer = False
        self._up, self._parts = FrameBuffer(), b""
        self._down, self._whole = FrameScanner(), FrameBuffer()
        self._stalls: set[str] = set()
        self._held_up = self._held_down = b""
        self._watch = Watch()
        self._timers: list[asyncio.TimerHandle] = []
        self._split: Split | None = None
        self._merge: Merge | None = None
        self._gathered: list[bytes] = []
        self._data_gathered = False
        self._spoiling: list[tuple[Malformed, Deed, int]] = []
        self._outlet = Outlet()
        self._pump_at: asyncio.TimerHandle | None = None
        self._data_in_outlet = False

    # ---- what is done to it

    def reset(self) -> None:
        self._end()
        self.client.reset()
        self.server.finish()

    def finish(self) -> None:
        self._end()
        self.client.finish()
        self.server.finish()

    def go_deaf(self) -> None:
        """The server's side ends; the client isn't told, and its bytes go nowhere."""
        self._deaf = True
        self.server.finish()

    def stall(self, why: str, *, reads: bool) -> None:
        """Pass nothing on. ``reads``: the client's bytes are taken meanwhile, so its leaving is noticed."""
        self._stalls.add(why)
        self.server.hold("stall")
        if not reads:
            self.client.hold(why)

    def resume(self, why: str) -> None:
        """Pass on what was held up, in its order, once nothing else stalls it."""
        self._stalls.discard(why)
        self.client.release(why)
        if self._stalls or self.is_over:
            return
        up, down, self._held_up, self._held_down = self._held_up, self._held_down, b"", b""
        if up:
            self._client_said(up)
        if down:
            self._server_said(down)
        if not self._stalls:
            self._arm()
            self.client.release("held")
            self.server.release("stall")

    def shape(self, what: Standing) -> None:
        match what:
            case Slow():
                self._outlet.bytes_per_s, self._outlet.delay_s = what.bytes_per_s, what.delay_s
            case Split():
                self._split = what
            case Merge():
                self._merge = what

    def unshape(self, what: Standing) -> None:
        match what:
            case Slow():
                self._outlet.bytes_per_s, self._outlet.delay_s = None, 0.0
            case Split() if self._split is what:
                self._split = None
            case Merge() if self._merge is what:
                self._merge = None
                self._send_gathered()

    def spoil(self, what: Malformed, deed: Deed) -> None:
        """Damage the next frames with ticks; ``deed`` counts them."""
        self._spoiling.append((what, deed, what.frames))

    # ---- the client's side

    def _client_said(self, chunk: bytes) -> None:
        if self._deaf or self.is_over:
            return
        if self._stalls:
            self._held_up += chunk
            if len(self._held_up) > MAX_HELD_BYTES:
                self.client.hold("held")
        elif not self._requested:
            self._take_head(chunk)
        elif self.where == "rest":
            self._take_request(chunk)
        else:
            self._take_frames(chunk)

    def _take_head(self, chunk: bytes) -> None:
        self._head += chunk
        end = self._head.find(_HEAD_END)
        if end >= 0 or self.is_captive:
            self._requested = True
            head, early = self._head[: end + 4], self._head[end + 4 :]
            self._head = b""
            if self._allowed(head):
                self.client.hold("connecting")
                self._keeper.spawn(self._pass_request(head, early))
        elif len(self._head) > MAX_HEAD_BYTES:
            self.reset()

    def _take_request(self, chunk: bytes) -> None:
        """REST keeps connections: what looks like a request is judged as one."""
        if not _REQUEST.match(chunk) or self._allowed(chunk):
            self.server.write(chunk)

    def _allowed(self, head: bytes) -> bool:
        verdict = self._keeper.requested(self, head)
        if verdict.answer is not None:
            self._end()
            self.client.write(verdict.answer)
            self.client.finish()
            self.server.finish()
        elif verdict.cut == "request":
            self.reset()
        self._cut_answer = verdict.cut == "response"
        return not self.is_over

    async def _pass_request(self, head: bytes, early: bytes) -> None:
        try:
            await self._keeper.connect(self, self.server)
        except OSError:  # the exchange is closing: so do we
            self.reset()
            return
        if self.is_over:
            self.server.finish()
            return
        self.server.write(head)
        if early:
            self._client_said(early)
        self.client.release("connecting")

    def _take_frames(self, chunk: bytes) -> None:
        frames = list(self._up.take(chunk))
        for at, frame in enumerate(frames):
            if self._stalls:
                rest = b"".join(one.wire for one in frames[at:]) + self._up.release()
                self._held_up = rest + self._held_up
                return
            if self._deaf or self.is_over:
                return
            self.server.write(frame.wire)
            if frame.opcode in (TEXT, CONTINUATION):
                self._parts += frame.payload
                if frame.fin:
                    text, self._parts = self._parts, b""
                    self._note_text(text)

    def _note_text(self, text: bytes) -> None:
        request = parse_client_text(text)
        if request is not None:
            if request.action == "unsubscribe":
                for token in request.tokens:
                    self.modes.pop(token, None)
            else:
                self.modes.update(dict.fromkeys(request.tokens, request.mode or "quote"))
            self._keeper.asked(self)
        self.texts += 1
        for rule in self._watch.on_message.pop(self.texts, ()):
            self._keeper.triggered(self, rule)

    # ---- the exchange's side

    def _server_said(self, chunk: bytes) -> None:
        if self._stalls:
            self._held_down += chunk
            return
        if not self._answered:
            chunk = self._take_answer(chunk)
        if self.where == "rest" and chunk:
            self._send(chunk)
            return
        while chunk and not (self.is_over or self._deaf):
            if self._stalls:
                self._held_down += chunk
                return
            chunk = chunk[self._take_shaped(chunk) if self._is_shaped() else self._take_plain(chunk) :]

    def _take_answer(self, chunk: bytes) -> bytes:
        """The response to the handshake; returns what came behind it. REST's are passed on as they are."""
        if self._cut_answer:
            self._send(chunk[: len(chunk) // 2])
            self.reset()
            return b""
        if self.where == "rest":
            return chunk
        self._head += chunk
        end = self._head.find(_HEAD_END)
        if end < 0:
            return b""
        head, rest, self._head = self._head[: end + 4], self._head[end + 4 :], b""
        self._answered = True
        self._send(head)
        if head.split(b" ", 2)[1] == b"101":
            self._open()
        return rest

    def _open(self) -> None:
        self._watch = self._keeper.opened(self)
        for after_s, rule in self._watch.after_open:
            self._timers.append(self._loop.call_later(after_s, self._keeper.triggered, self, rule))

    def _is_shaped(self) -> bool:
        return bool(self._split or self._merge or self._spoiling)

    def _take_plain(self, chunk: bytes) -> int:
        """Pass on as it is, up to the next frame a rule waits for; returns how much that was."""
        if held := self._whole.release():  # of the time when frames were shaped
            self._down.scan(held)
            self._send(held)
        most = min(self._watch.on_frame) - self.frames if self._watch.on_frame else None
        marks, used = self._down.scan(chunk, most)
        self._send(chunk if used == len(chunk) else chunk[:used])
        self.frames += len(marks)
        if self.awaited and any(_is_data(mark) for mark in marks):
            self._note_data()
        self._trigger_frames()
        return used

    def _take_shaped(self, chunk: bytes) -> int:
        """As :meth:`_take_plain`, frame by frame."""
        if not self._down.at_a_boundary:
            marks, used = self._down.scan(chunk, 1)
            self._send(chunk[:used])
            self.frames += len(marks)
            return used
        used = len(chunk)
        for frame in self._whole.take(chunk):
            if self._stalls:
                self._held_down += frame.wire
            elif not self.is_over:
                self._send_shaped(frame)
        if self._stalls:
            self._held_down += self._whole.release()
        return used

    def _send_shaped(self, frame: Frame) -> None:
        wire = self._spoiled(frame)
        if self._split is not None:
            self._send_pieces(self._split, frame if wire is frame.wire else Frame(frame.opcode, frame.fin, wire))
        elif self._merge is not None:
            self._gather(wire, self._merge)
        else:
            self._send(wire)
        self.frames += 1
        if self.awaited and frame.opcode == BINARY and len(frame.payload) > 1:
            if self._gathered:
                self._data_gathered = True
            else:
                self._note_data()
        self._trigger_frames()

    def _spoiled(self, frame: Frame) -> bytes:
        if not self._spoiling or not carries_ticks(frame):
            return frame.wire
        what, deed, left = self._spoiling.pop(0)
        deed.hits += 1
        if left > 1:
            self._spoiling.insert(0, (what, deed, left - 1))
        return spoil(frame, what.form, self._dice)

    def _send_pieces(self, split: Split, frame: Frame) -> None:
        cut = in_fragments(frame, split.pieces, self._dice) if split.into == "fragments" else None
        for at, part in enumerate(cut or in_segments(frame.wire, split.pieces, self._dice)):
            self._send(part, split.pause_s if at else 0.0)

    def _gather(self, wire: bytes, merge: Merge) -> None:
        self._gathered.append(wire)
        if len(self._gathered) >= merge.frames:
            self._send_gathered()
        elif len(self._gathered) == 1:
            self._timers.append(self._loop.call_later(MERGE_S, self._send_gathered))

    def _send_gathered(self) -> None:
        together, self._gathered = b"".join(self._gathered), []
        if together and not self.is_over:
            self._send(together)
            if self._data_gathered:
                self._data_gathered = False
                self._note_data()

    def _trigger_frames(self) -> None:
        for rule in self._watch.on_frame.pop(self.frames, ()):
            self._keeper.triggered(self, rule)

    # ---- the way out

    def _send(self, data: bytes, pause_s: float = 0.0) -> None:
        if self._outlet.is_open and not pause_s:
            self.client.write(data)
            self.last_byte_ns = self._clock.now_ns()
            return
        self._outlet.put(data, self._loop.time(), pause_s)
        if self._outlet.waiting_bytes > HIGH_WATER_BYTES:
            self.server.hold("outlet")
        self._arm()

    def _note_data(self) -> None:
        if self._outlet.is_open:
            self._keeper.data(self)
        else:
            self._data_in_outlet = True

    def _arm(self) -> None:
        due_s = self._outlet.next_s()
        if due_s is not None and self._pump_at is None and not self._stalls:
            self._pump_at = self._loop.call_at(due_s, self._pump)

    def _pump(self) -> None:
        self._pump_at = None
        if self._stalls or self.is_over:
            return
        for part in self._outlet.take(self._loop.time()):
            self.client.write(part)
            self.last_byte_ns = self._clock.now_ns()
        if self._data_in_outlet:
            self._data_in_outlet = False
            self._keeper.data(self)
        if self._outlet.waiting_bytes <= HIGH_WATER_BYTES:
            self.server.release("outlet")
        if self._ending and not self._outlet.waiting_bytes:
            self.finish()
        self._arm()

    # ---- the end

    def _end(self) -> None:
        self.is_over = True
        for timer in (*self._timers, self._pump_at):
            if timer is not None:
                timer.cancel()

    def _client_left(self, error: Exception | None) -> None:
        self._end()
        if error is None:
            self.server.finish()
        else:
            self.server.reset()
        self._keeper.left(self)

    def _server_left(self, error: Exception | None) -> None:
        if self._deaf or self.is_over:
            return
        self._send_gathered()
        if error is not None:
            self.reset()
        elif self._outlet.waiting_bytes:
            self._ending = True
        else:
            self.finish()


def _is_data(mark: Mark) -> bool:
    """A binary message of more than a heartbeat's byte; of fragments, the last."""
    return mark.fin and mark.opcode in (BINARY, CONTINUATION) and mark.payload_bytes > 1
