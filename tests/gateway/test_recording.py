"""What a feed records, by its own bytes on disk: against the exchange's ledger, on a full disk, over midnight."""

import asyncio
import gzip
import hashlib
import json
import os
import struct
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from datetime import date

import pytest

from kitecli.bars.memory import BarsMemory
from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.clock import NS_PER_S, ManualClock
from kitecli.errors import UsageError
from kitecli.feed.transport import Closed
from kitecli.gateway import recording
from kitecli.gateway.core import Gateway
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.messages import Hello, Record, Subscribe, Unrecord, Unsubscribe
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED, FramePass
from kitecli.market.gap import Gap
from kitecli.market.instruments import format_instruments
from kitecli.master.store import MasterStore, State
from kitecli.ring.memory import RingMemory
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.store.disk import Disk
from kitecli.store.folder import segment_paths
from kitecli.store.layout import CLOCK, END, END_BYTES, FRAME, GAP, STREAMING, SUBSCRIBED, TIMER, UNRECORDED
from kitecli.store.payloads import ClockOffset, decode_gap, decode_subscribed
from kitecli.store.recorder import Recorder
from kitecli.store.recording import Recording
from tests.conformance.vectors import INFY_LTP, message
from tests.market.masters import share
from tests.store.independent_reader import read_day, read_header

shared = pytest.mark.skipif(not COMPILED, reason="needs the compiled pass")
TICK = message(INFY_LTP)
HEARTBEAT = b"\0"
INFY = 408065
SIX_IST_NS = 1_795_393_800_000_000_000  # 2026-11-23 06:00 IST
DAY, NEXT = "2026-11-22", "2026-11-23"


class Wire:
    """A transport whose sockets never end; ``receiver`` takes what a broker would send."""

    rtt_ns = None

    async def open(self, _, receiver):
        self.receiver, self._closed = receiver, asyncio.Event()
        return self

    def ping(self):
        pass

    def send_text(self, text):
        pass

    def close(self):
        self._closed.set()

    abort = close

    async def wait_closed(self):
        await self._closed.wait()
        return Closed(1000, "")


@asynccontextmanager
async def running(store, clock, **changes):
    """A gateway on a wire and a clock of the test's own; ``events`` is all it says."""
    settled = {"ws_root": "ws://x", "api_key": "k", "modes": {}, "ring_size": 1024, "folder": None}
    spec = GatewaySpec(**{**settled, "access_token": Secret("t"), "record": RecordPlan(str(store)), **changes})
    events, wire = [], Wire()
    gateway = Gateway(spec, events.append, wire, clock.now_ns)
    task = asyncio.create_task(gateway.run())
    gateway.events, gateway.wire = events, wire
    try:
        gateway.join(1, Hello("test", 7))
        yield gateway
    finally:
        gateway.stop("the test")
        await task
        gateway.close()


async def settled(condition, seconds=10.0):
    for _ in range(round(seconds / 0.01)):
        if said := condition():
            return said
        await asyncio.sleep(0.01)
    raise AssertionError("it didn't come about")


def states(gateway):
    return [event.state for event in gateway.events if event.kind == "recording"]


def kinds(folder):
    return Counter(record.kind for record in read_day(folder))


def frames(folder):
    return [bytes(record.payload) for record in read_day(folder) if record.kind == FRAME]


def csv_of(name):
    return format_instruments([share(f"NSE:{name}", INFY)]).encode()


def packets(payloads):
    """Tokens of every packet in the messages, as the broker lays them out."""
    counts = Counter()
    for payload in payloads:
        at = 2
        while at < len(payload):
            (length,) = struct.unpack_from(">H", payload, at)
            counts[int.from_bytes(payload[at + 2 : at + 6], "big")] += 1
            at += 2 + length
    return counts


@pytest.fixture(autouse=True)
def _clock_of_no_machine(monkeypatch):
    monkeypatch.setattr(recording, "clock_offset", lambda: None)


@pytest.fixture(scope="module")
def ledgered():
    """An exchange that nobody else streams from, so that its ledger is of one recording."""
    with launch(SimOptions(instruments=300, rate=20, rate_limits=False)) as sim:
        yield sim


def at_rest(sim, handle):
    """Whether nothing is on its way any more."""
    asked, ticks = sim.ledger()["totals"], handle.stats()["counters"]["ticks"]
    time.sleep(0.3)
    return asked == {**sim.ledger()["totals"], "heartbeats": asked["heartbeats"]} and ticks > 3_000


def settled_packets(sim, before):
    sent = Counter({int(token): sum(both) for token, both in sim.ledger()["tokens"].items()})
    sent.subtract(before)
    return +sent


@pytest.mark.parametrize("folder", ["", pytest.param("shared", marks=shared)])
def test_a_recording_is_what_the_exchange_says_it_sent(ledgered, spec_of, tmp_path, folder, until):
    """Packets by instrument, and messages: it stops sending when unsubscribed, so that the counts settle."""
    before, frames_before = settled_packets(ledgered, {}), ledgered.ledger()["totals"]["frames"]
    store = tmp_path / "store"
    changes = {} if folder else {"folder": None}
    spec = spec_of(ledgered, record=RecordPlan(str(store)), intervals=("100ms",), at_least=2, **changes)
    tokens = [int(token) for token in ledgered.ledger()["tokens"]] or listed(ledgered)
    with open_gateway(spec) as handle:
        handle.subscribe(dict.fromkeys(tokens, "full"))
        assert until(lambda: sum(map(len, ledgered.subscriptions().values())) == len(tokens))  # on each connection
        assert until(lambda: handle.stats()["counters"]["ticks"] > 3_000)
        handle.unsubscribe(tokens)
        assert until(lambda: at_rest(ledgered, handle))
        figures = handle.stats()["recording"]
        assert (figures["state"], figures["unrecorded"], figures["error"]) == ("on", 0, None)
    (day,) = store.glob("20*")
    recorded = [payload for payload in frames(day) if len(payload) > 1]
    assert packets(recorded) == settled_packets(ledgered, before)
    assert len(recorded) == ledgered.ledger()["totals"]["frames"] - frames_before
    asked = [decode_subscribed(record.payload) for record in read_day(day) if record.kind == SUBSCRIBED]
    assert {token for one in asked for token, mode in one.items() if mode == "full"} == set(tokens)
    assert {token for one in asked for token, mode in one.items() if mode is None} == set(tokens)
    assert kinds(day)[TIMER] > 0


def listed(sim):
    return [
        row.instrument_token for row in todays_book(BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token)))
    ]


def test_text_frames_are_in_no_recording(tmp_path):
    """They carry the account's orders, and recordings are shared."""

    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS)) as gateway:
            await settled(lambda: states(gateway)[-1:] == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_text('{"type": "order", "data": {"order_id": "canary-4711"}}')
            gateway.wire.receiver.on_binary(TICK)
            gateway.wire.receiver.on_binary(HEARTBEAT)

    asyncio.run(scenario())
    assert frames(tmp_path / NEXT) == [TICK, HEARTBEAT]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()


@shared
def test_a_day_that_is_over_is_packed_while_the_next_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MASTER_LOOK_S", 0.2)

    async def scenario():
        clock = ManualClock(SIX_IST_NS - NS_PER_S)
        async with running(tmp_path, clock, record=RecordPlan(str(tmp_path), seal=True)) as gateway:
            await settled(lambda: states(gateway)[-1:] == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)
            clock.set(SIX_IST_NS)
            await settled((tmp_path / DAY / "0001.kpak").exists, 60)
            gateway.wire.receiver.on_binary(TICK * 2)

    asyncio.run(scenario())
    with Recording.open(tmp_path / DAY) as day:
        assert [frame.payload for frame in day.frames()] == [TICK]
    assert frames(tmp_path / NEXT) == [TICK * 2]


@pytest.mark.parametrize("seal", [True, False])
def test_what_was_recorded_last_is_packed_when_the_feed_has_ended(tmp_path, seal):
    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS), record=RecordPlan(str(tmp_path), seal=seal)) as gateway:
            await settled(lambda: states(gateway)[-1:] == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)
        if seal:
            await settled(lambda: not (tmp_path / NEXT / "0001.kseg").exists(), 60)

    asyncio.run(scenario())
    assert [path.suffix for path in segment_paths(tmp_path / NEXT)] == [".kpak" if seal else ".kseg"]
    with Recording.open(tmp_path / NEXT) as day:
        assert [frame.payload for frame in day.frames()] == [TICK]


def test_a_new_day_has_a_set_of_its_own(tmp_path):
    """In virtual time over 06:00 IST, with an outage that lasts and instruments that stream on."""

    async def scenario():
        clock = ManualClock(SIX_IST_NS - NS_PER_S)
        async with running(tmp_path, clock) as gateway:
            await settled(lambda: states(gateway)[-1:] == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.answer(1, Subscribe({INFY: "full"}))
            await settled(lambda: gateway._pool.told() == [{INFY: "full"}])
            gateway.wire.receiver.on_binary(TICK)
            gateway._on_gap(Gap(0, (INFY,), SIX_IST_NS - 5, None, "cut"))
            clock.set(SIX_IST_NS)
            await settled(lambda: states(gateway).count("on") == 2)
            gateway.wire.receiver.on_binary(TICK * 2)
            assert gateway.status()["recording"]["day"] == NEXT

    asyncio.run(scenario())
    assert frames(tmp_path / DAY) == [TICK]
    assert frames(tmp_path / NEXT) == [TICK * 2]
    first, second = (list(read_day(tmp_path / day)) for day in (DAY, NEXT))
    assert [decode_subscribed(one.payload) for one in first if one.kind == SUBSCRIBED] == [{INFY: "full"}]
    assert [decode_subscribed(one.payload) for one in second if one.kind == STREAMING] == [{INFY: "full"}]
    lasting = [decode_gap(one.payload, one.connection) for one in second if one.kind == GAP]
    assert [(gap.tokens, gap.from_ns, gap.to_ns) for gap in lasting] == [((INFY,), SIX_IST_NS - 5, None)]


def test_a_day_that_ends_on_a_full_disk_is_written_when_there_is_room(small_disk):
    """What the old day's messages took up of memory stays there until then, and the new day is no less in alarm."""
    filler = small_disk / "filler"

    async def scenario():
        plan, clock = RecordPlan(str(small_disk / "store"), floor_bytes=0), ManualClock(SIX_IST_NS - NS_PER_S)
        async with running(small_disk, clock, record=plan) as gateway:
            await settled(lambda: states(gateway) == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)
            filler.write_bytes(bytes(200_000))
            for payload in sent:
                gateway.wire.receiver.on_binary(payload)
            await settled(lambda: states(gateway) == ["on", "alarm"])
            clock.set(SIX_IST_NS)
            await settled(lambda: gateway.status()["recording"]["day"] == NEXT)
            assert states(gateway) == ["on", "alarm", "alarm"]
            filler.unlink()
            await settled(lambda: states(gateway) == ["on", "alarm", "alarm", "on"])
            gateway.wire.receiver.on_binary(TICK * 2)
            await settled(lambda: len(frames(small_disk / "store" / DAY)) == 1 + len(sent))

    sent = [bytes(1_000) + number.to_bytes(2) for number in range(80)]
    asyncio.run(scenario())
    assert frames(small_disk / "store" / DAY) == [TICK, *sent]
    assert frames(small_disk / "store" / NEXT) == [TICK * 2]
    assert [path.read_bytes()[4 - END_BYTES] for path in small_disk.glob("store/*/*.kseg")] == [END, END]


def test_a_day_whose_end_the_disk_didnt_take_is_told(tmp_path, monkeypatch):
    close = Recorder.close

    async def scenario():
        clock = ManualClock(SIX_IST_NS - NS_PER_S)
        async with running(tmp_path, clock) as gateway:
            await settled(lambda: states(gateway) == ["on"])
            monkeypatch.setattr(Recorder, "close", lambda recorder: close(recorder) and False)
            clock.set(SIX_IST_NS)
            await settled(lambda: states(gateway) == ["on", "on", "alarm"])
            assert f"{DAY} couldn't be ended" in gateway.status()["recording"]["error"]["what"]

    asyncio.run(scenario())


def test_what_is_asked_for_is_recorded_before_what_comes_of_it(tmp_path):
    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS)) as gateway:
            await settled(lambda: states(gateway)[-1:] == ["on"] and hasattr(gateway.wire, "receiver"))
            for request in (Subscribe({INFY: "ltp"}), Subscribe({INFY: "full"}), Unsubscribe((INFY,))):
                gateway.answer(1, request)
                await asyncio.sleep(0.05)  # changes that come together are one message
                gateway.wire.receiver.on_binary(TICK)

    asyncio.run(scenario())
    told = [(one.kind, decode_subscribed(one.payload)) for one in read_day(tmp_path / NEXT) if one.kind != FRAME]
    assert told == [(SUBSCRIBED, {INFY: "ltp"}), (STREAMING, {INFY: "full"}), (SUBSCRIBED, {INFY: None})]
    order = [one.kind for one in read_day(tmp_path / NEXT)]
    assert order == [SUBSCRIBED, FRAME, STREAMING, FRAME, SUBSCRIBED, FRAME]


def test_who_plays_it_back_closes_the_same_bars(tmp_path):
    """The live feed's, byte for byte, from its recording alone; 700 instruments are two slices of a sweep."""
    with launch(SimOptions(instruments=700, rate=2, rate_limits=False)) as sim:
        spec = GatewaySpec(
            ws_root=sim.ws_url,
            api_key=sim.api_key,
            access_token=Secret(sim.access_token),
            modes={},
            ring_size=1 << 16,
            folder=None,
            record=RecordPlan(str(tmp_path)),
            intervals=("100ms", "1m") if COMPILED else ("1m",),
            bar_grace_ms=0,
        )
        tokens = listed(sim)[: None if COMPILED else 5]
        with open_gateway(spec) as handle:
            handle.subscribe(dict.fromkeys(tokens, "full"))
            time.sleep(2.0)
            handle.unsubscribe(tokens)
            time.sleep(0.5)
        live = handle.bars
    (day,) = tmp_path.glob("20*")
    played = BarsMemory.private(live.layout, live.intervals, live.grace_ms)
    ring = RingMemory.private(handle.memory.layout)
    again = FramePass(ring, played, handle.timelines.each)
    timers = 0
    for record in read_day(day):
        if record.kind == FRAME:
            again.ingest(record.payload, record.ts_recv_ns, record.connection)
        elif record.kind == SUBSCRIBED:
            modes = decode_subscribed(record.payload)
            again.expect_snapshots({token: mode for token, mode in modes.items() if mode})
        elif record.kind == TIMER:
            timers += 1
            again.close_bars(record.ts_recv_ns, int.from_bytes(record.payload[:4], "little") or 500)
    head = live.header().nbytes
    assert played.buffer[head:] == live.buffer[head:]
    assert timers > 5


def test_a_second_writer_is_refused_and_its_feed_streams_on(tmp_path):
    async def scenario():
        clock, plan = ManualClock(SIX_IST_NS), RecordPlan(str(tmp_path))
        async with running(tmp_path, clock) as first, running(tmp_path, clock, api_key="other", record=None) as second:
            await settled(lambda: states(first)[-1:] == ["on"])
            assert second.answer(1, Record(plan))["recording"]["state"] == "starting"
            await settled(lambda: states(second) == ["refused"])
            (said,) = (event for event in second.events if event.kind == "recording")
            assert said.error["error"] == "recording-held"
            assert str(os.getpid()) in said.error["why"]
            assert second.status()["recording"] is None
            second.answer(1, Subscribe({INFY: "full"}))
            await settled(lambda: hasattr(second.wire, "receiver"))
            assert second.wire.receiver.on_binary(TICK) is None
            assert second.stats()["counters"]["ticks"] == 1

    asyncio.run(scenario())
    assert frames(tmp_path / NEXT) == []


def test_a_feed_that_is_to_record_takes_a_store_over_when_it_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "RETRY_S", 0.1)

    async def scenario():
        clock = ManualClock(SIX_IST_NS)
        async with running(tmp_path, clock, api_key="other") as second:
            await settled(lambda: states(second) == ["on"])
            async with running(tmp_path, clock) as first:
                await settled(lambda: states(first) == ["alarm"])
                assert first.stats()["recording"]["error"]["error"] == "recording-held"
                second.answer(1, Unrecord())
                second._recording.let_go(0)
                await settled(lambda: states(first) == ["alarm", "on"] and states(second) == ["on", "off"])

    asyncio.run(scenario())


def test_it_records_for_as_long_as_anybody_wants_it(tmp_path):
    async def scenario():
        plan = RecordPlan(str(tmp_path))
        async with running(tmp_path, ManualClock(SIX_IST_NS), record=None, daemon=True) as gateway:
            gateway.join(2, Hello("other", 8))
            gateway.answer(1, Record(plan))
            await settled(lambda: states(gateway) == ["on"])
            assert gateway.answer(2, Record(plan))["recording"]["state"] == "on"
            with pytest.raises(UsageError, match="already"):
                gateway.answer(2, Record(RecordPlan(str(tmp_path / "elsewhere"))))
            assert gateway.answer(1, Unrecord())["recording"]["state"] == "on"
            await settled(lambda: hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)
            gateway.leave(2)
            await settled(lambda: states(gateway) == ["on", "off"])
            last = gateway.events[-1].data
            assert (last["whole"], last["records"], last["acknowledged"]["power"]) == (True, 1, 1)
            gateway.wire.receiver.on_binary(TICK)
            assert gateway.stats()["recording"] is None

    asyncio.run(scenario())
    assert frames(tmp_path / NEXT) == [TICK]


def test_a_full_disk_is_told_within_a_second_and_recording_goes_on_by_itself(small_disk):
    """Nothing is lost: what a disk won't have stays in memory."""
    filler = small_disk / "filler"

    async def scenario():
        plan = RecordPlan(str(small_disk / "store"), floor_bytes=0)
        async with running(small_disk, ManualClock(SIX_IST_NS), record=plan) as gateway:
            await settled(lambda: states(gateway) == ["on"] and hasattr(gateway.wire, "receiver"))
            filler.write_bytes(bytes(150_000))
            sent = [message(bytes(184), bytes(184)) + number.to_bytes(2) for number in range(500)]
            for payload in sent:
                gateway.wire.receiver.on_binary(payload)
            await settled(lambda: states(gateway) == ["on", "alarm"], seconds=1.0)
            said = gateway.stats()["recording"]
            assert (said["state"], said["unrecorded"]) == ("alarm", 0)
            assert "No space left" in said["error"]["why"]
            gateway.wire.receiver.on_binary(TICK)
            assert gateway.stats()["counters"]["ticks"] > 0, "the feed goes on"
            filler.unlink()
            await settled(lambda: states(gateway) == ["on", "alarm", "on"])
            gateway.wire.receiver.on_binary(TICK)
        return [*sent, TICK, TICK]

    sent = asyncio.run(scenario())
    assert frames(small_disk / "store" / NEXT) == sent


def test_messages_without_room_are_an_alarm_and_an_outage_of_the_recording(tmp_path, monkeypatch):
    """A disk that only stalls fails at nothing; what it costs is told all the same."""
    monkeypatch.setattr(recording, "LACKING_S", 0.3)
    stalled = threading.Event()
    write = Disk.write

    def wait(self, descriptor, data):
        stalled.wait()
        return write(self, descriptor, data)

    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS)) as gateway:
            await settled(lambda: states(gateway) == ["on"] and hasattr(gateway.wire, "receiver"))
            monkeypatch.setattr(Disk, "write", wait)
            for _ in range(10):
                gateway.wire.receiver.on_binary(bytes(2_000_000))
            await settled(lambda: states(gateway) == ["on", "alarm"], seconds=1.0)
            assert "slower than the feed" in gateway.stats()["recording"]["error"]["why"]
            stalled.set()
            await settled(lambda: states(gateway) == ["on", "alarm", "on"])
            gateway.wire.receiver.on_binary(TICK)

    asyncio.run(scenario())
    assert kinds(tmp_path / NEXT)[UNRECORDED] == 1
    assert frames(tmp_path / NEXT)[-1] == TICK


def test_the_master_that_comes_later_begins_a_file_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MASTER_LOOK_S", 0.1)
    masters, store = MasterStore(tmp_path / "masters"), tmp_path / "store"
    served = [csv_of(name) for name in ("INFY", "RELIANCE")]

    def keep(csv):
        digest = hashlib.sha256(csv).hexdigest()
        masters.folder.mkdir(exist_ok=True)
        masters.keep(csv, date(2026, 11, 23))
        masters.note(State("2026-11-23", digest, 1))

    async def scenario():
        keep(served[0])
        plan = RecordPlan(str(store), masters=str(masters.folder))
        async with running(store, ManualClock(SIX_IST_NS), record=plan) as gateway:
            await settled(lambda: states(gateway) == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)
            await asyncio.sleep(0.1)
            keep(served[1])
            await settled(lambda: len(list(store.glob("*/master-*.csv.gz"))) == 2)
            gateway.wire.receiver.on_binary(TICK * 2)

    asyncio.run(scenario())
    heads = [read_header(path.read_bytes()).master for path in sorted(store.glob("*/*.kseg"))]
    assert heads == [hashlib.sha256(csv).digest() for csv in served]
    kept = {gzip.decompress(path.read_bytes()) for path in store.glob("*/master-*.csv.gz")}
    assert kept == set(served)
    assert frames(store / NEXT) == [TICK, TICK * 2]


def test_how_far_the_clock_is_off_is_recorded_at_the_beginning_and_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MASTER_LOOK_S", 0.1)
    offsets = iter(ClockOffset(number, 5, "a clock") for number in range(1_000))
    monkeypatch.setattr(recording, "clock_offset", lambda: next(offsets))

    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS)) as gateway:
            await settled(lambda: states(gateway) == ["on"])
            await asyncio.sleep(0.6)

    asyncio.run(scenario())
    told = [ClockOffset.decoded(one.payload) for one in read_day(tmp_path / NEXT) if one.kind == CLOCK]
    assert len(told) > 1
    assert told == [ClockOffset(number, 5, "a clock") for number in range(len(told))]


def test_a_recording_says_what_its_feed_was(tmp_path):
    async def scenario():
        async with running(tmp_path, ManualClock(SIX_IST_NS), intervals=("1m",), label="prod") as gateway:
            await settled(lambda: states(gateway) == ["on"] and hasattr(gateway.wire, "receiver"))
            gateway.wire.receiver.on_binary(TICK)

    asyncio.run(scenario())
    (path,) = (tmp_path / NEXT).glob("*.kseg")
    said = json.loads(read_header(path.read_bytes()).text)
    assert said["feed"]["intervals"] == ["1m"]
    assert said["feed"]["label"] == "prod"
    assert [one["connection"] for one in said["connections"]] == [0, 1, 2]
    assert "access_token" not in path.read_bytes().decode("latin-1")
