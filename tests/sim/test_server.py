"""The whole exchange over real sockets, as a client meets it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET

import pytest
from picows import WSCloseCode, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, ws_connect

from kitecli.clock import IST
from kitecli.errors import ConfigError, DataError, UsageError
from kitecli.market.tick import MODE_FULL, MODE_QUOTE
from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.messages import parse_server_text, set_mode, subscribe, unsubscribe
from kitecli.sim.options import Ready, SimOptions
from kitecli.sim.server import serve

INFY, NIFTY = 408065, 256265


class Client(WSListener):
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.texts: list[str] = []
        self.packets = self.heartbeats = self.pongs = 0

    def on_ws_frame(self, transport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == WSMsgType.TEXT:
            self.texts.append(payload.decode())
        elif frame.msg_type == WSMsgType.PONG:
            self.pongs += 1
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif len(payload) == 1:
            self.heartbeats += 1
        else:
            self.frames.append(payload)
            self.packets += int.from_bytes(payload[:2], "big")

    @property
    def ticks(self) -> list[tuple[int, int, int]]:
        """(token, mode, last price) of every packet so far."""
        found = [decode_frame(frame) for frame in self.frames]
        assert not any(frame.damage for frame in found)
        return [(int(row["token"]), int(row["mode"]), int(row["last_price"])) for one in found for row in one.ticks]


class Exchange:
    def __init__(self, ready: Ready) -> None:
        self.ready = ready

    async def connect(self, **credentials: str):
        good = {"api_key": self.ready.api_key, "access_token": self.ready.access_token} | credentials
        query = "&".join(f"{name}={value}" for name, value in good.items() if value)
        return await ws_connect(Client, f"{self.ready.ws_url}/?{query}")

    async def get(self, path: str):
        headers = {"Authorization": f"token {self.ready.api_key}:{self.ready.access_token}"}
        asked = urllib.request.Request(self.ready.api_url + path, headers=headers)
        return json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(asked).read()))["data"]


@asynccontextmanager
async def exchange(**options):
    stop = asyncio.Event()
    started: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(SimOptions(**options), started.set_result, stop))
    await asyncio.wait([started, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield Exchange(started.result())
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not in time")


def say(transport, text: str) -> None:
    transport.send(WSMsgType.TEXT, text.encode())


def test_ticks_modes_and_the_ledger():
    async def run() -> None:
        async with exchange(rate=20.0) as sim:
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))
            say(transport, set_mode("full", [NIFTY]))
            await until(lambda: client.packets > 40)
            assert {tick[:2] for tick in client.ticks} == {(INFY, MODE_QUOTE), (NIFTY, MODE_FULL)}
            say(transport, unsubscribe([INFY, NIFTY]))
            await until(lambda: client.heartbeats > 0)
            totals = (await sim.get("/sim/ledger"))["totals"]
            assert totals["snapshots"] == 2
            assert totals["live"] + totals["snapshots"] == client.packets
            assert client.pongs == 0
            assert client.texts == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("credentials", "status", "says"),
    [
        ({"access_token": "wrong"}, 403, "Authentication failed."),
        ({"access_token": ""}, 400, "Missing"),
        ({"api_key": ""}, 400, "Missing"),
    ],
)
def test_the_handshake_refuses_with_the_brokers_body(credentials: dict[str, str], status: int, says: str):
    async def run() -> None:
        async with exchange() as sim:
            with pytest.raises(WSInvalidStatusError) as raised:
                await sim.connect(**credentials)
            assert raised.value.response.status == status
            assert says in json.loads(raised.value.raw_body)["message"]

    asyncio.run(run())


def test_a_fourth_connection_is_a_429_until_one_leaves():
    async def run() -> None:
        async with exchange() as sim:
            open_ones = [await sim.connect() for _ in range(3)]
            with pytest.raises(WSInvalidStatusError) as raised:
                await sim.connect()
            assert raised.value.response.status == 429
            open_ones[0][0].send_close(WSCloseCode.OK)
            await open_ones[0][0].wait_disconnected()

            async def has_left() -> bool:
                return (await sim.get("/sim/status"))["connections"] == 2

            await until(has_left)
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))
            await until(lambda: client.packets > 0)

    asyncio.run(run())


def test_pings_are_answered_split_texts_joined_and_too_many_told():
    async def run() -> None:
        async with exchange() as sim:
            transport, client = await sim.connect()
            transport.send_ping(b"x")
            half = subscribe([INFY]).encode()
            transport.send(WSMsgType.TEXT, half[:9], fin=False)
            transport.send(WSMsgType.CONTINUATION, half[9:])
            say(transport, subscribe(range(257, 257 + 256 * 3001, 256)))
            await until(lambda: min(client.pongs, client.packets, len(client.texts)) > 0)
            assert parse_server_text(client.texts[0]).data == "Can't subscribe to more than 3000 instruments."

    asyncio.run(run())


def test_a_client_that_does_not_read_is_spared_and_the_ledger_stays_exact():
    async def run() -> None:
        async with exchange(instruments=3000, rate=25.0) as sim:
            transport, client = await sim.connect()
            tokens = [int(row.split(",")[0]) for row in (await csv_of(sim)).splitlines()[1:]]
            say(transport, set_mode("full", tokens))
            await until(lambda: client.packets > 3000)
            transport.underlying_transport.pause_reading()

            async def withholds() -> bool:
                return (await sim.get("/sim/ledger"))["totals"]["withheld"] > 1000

            await until(withholds)
            transport.underlying_transport.resume_reading()
            say(transport, unsubscribe(tokens))
            await until(lambda: client.heartbeats > 0)
            totals = (await sim.get("/sim/ledger"))["totals"]
            assert totals["live"] + totals["snapshots"] == client.packets

    asyncio.run(run())


async def csv_of(sim: Exchange) -> str:
    url = sim.ready.api_url + "/instruments"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())


def write_table(path: Path, rows: int) -> Path:
    lines = [f"{1_719_461_460_000 + at},{INFY},INFY,{1500 + at / 20},{at}" for at in range(rows)]
    path.write_text("\n".join(["ltt_ms,instrument_token,tradingsymbol,last_price,volume_traded", *lines]))
    return path


def test_a_table_waits_for_its_first_subscriber_and_is_sent_whole(tmp_path: Path):
    path, report = write_table(tmp_path / "t.csv", 5000), tmp_path / "ledger.json"

    async def run() -> list[tuple[int, int, int]]:
        async with exchange(source=str(path), speed=0, ledger=str(report), packets_per_frame=7) as sim:
            assert "first subscription" in sim.ready.note
            assert (await sim.get("/sim/status"))["state"] == "waiting"
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))

            async def has_ended() -> bool:
                return (await sim.get("/sim/status"))["state"] == "ended"

            await until(has_ended)
            await until(lambda: client.heartbeats > 0)
            return client.ticks

    ticks = asyncio.run(run())
    assert ticks == [(INFY, MODE_QUOTE, round((1500 + at / 20) * 100)) for at in range(5000)]
    written = json.loads(report.read_text())
    assert written["tokens"] == {str(INFY): [5000, 0]}
    assert written["totals"]["frames"] == 5 * 143  # batches of a thousand, seven to a message


def test_a_table_waits_for_a_slow_reader_and_drops_nothing(tmp_path: Path):
    rows = 150_000  # 7 MB: more than all buffers between the two once the client's is small
    path = write_table(tmp_path / "t.csv", rows)

    async def run() -> int:
        async with exchange(source=str(path), speed=0) as sim:
            transport, client = await sim.connect()
            transport.underlying_transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
            say(transport, subscribe([INFY]))
            await until(lambda: client.packets > 0)
            transport.underlying_transport.pause_reading()
            before = -1
            while (sent := (await sim.get("/sim/status"))["live"]) != before:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < rows, "the table stopped"
            transport.underlying_transport.resume_reading()
            await until(lambda: client.packets == rows, 30)
            return (await sim.get("/sim/ledger"))["totals"]["withheld"]

    assert asyncio.run(run()) == 0


def test_a_table_can_start_at_once(tmp_path: Path):
    path = write_table(tmp_path / "t.csv", 10)

    async def run() -> None:
        async with exchange(source=str(path), speed=0, start_on_subscribe=False) as sim:

            async def has_ended() -> bool:
                return (await sim.get("/sim/status"))["state"] == "ended"

            await until(has_ended)
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))
            await until(lambda: client.packets > 0)
            assert client.ticks == [(INFY, MODE_QUOTE, 150045)], "the last tick, as a snapshot"

    asyncio.run(run())


def test_candles_follow_what_is_sent():
    today = datetime.now(IST).date()
    span = f"from={today - timedelta(days=1)}&to={today + timedelta(days=1)}"

    async def scenario() -> None:
        async with exchange(instruments=60, rate=5, rate_limits=False) as sim:

            async def quote() -> dict:
                return (await sim.get("/quote?i=NSE:INFY"))["NSE:INFY"]

            first = await quote()
            for _ in range(100):
                before = await quote()
                candle = (await sim.get(f"/instruments/historical/{INFY}/day?{span}"))["candles"][-1]
                if before["volume"] > first["volume"] and before == await quote():
                    break
            else:
                pytest.fail("it never stood still for two calls")
            ohlc = before["ohlc"]
            assert candle[1:] == [ohlc["open"], ohlc["high"], ohlc["low"], before["last_price"], before["volume"]]

    asyncio.run(scenario())


def test_a_tables_candles_are_there_before_its_ticks_are_sent(tmp_path: Path):
    async def scenario() -> None:
        async with exchange(source=str(write_table(tmp_path / "t.csv", 200))) as sim:
            assert (await sim.get("/sim/status"))["state"] == "waiting"
            asked = f"/instruments/historical/{INFY}/minute?from=2024-06-27&to=2024-06-27+23:59:59"
            candle, *_ = (await sim.get(asked))["candles"]
            assert candle[0] == "2024-06-27T09:41:00+0530"
            assert candle[1] == 1500

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"rate": 0.0}, UsageError, "rate"),
        ({"instruments": -1}, UsageError, "instruments"),
        ({"packets_per_frame": 0}, UsageError, "packets"),
        ({"start": "10:15"}, UsageError, "no recorded times"),
        ({"speed": 60.0}, UsageError, "no recorded times"),
        ({"source": "nothing.csv"}, DataError, "no file"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], error: type[Exception], says: str):
    async def run() -> None:
        async with exchange(**options):
            pass

    with pytest.raises(error, match=says):
        asyncio.run(run())


def test_a_port_that_is_taken_is_named():
    async def run() -> None:
        async with exchange() as sim:
            port = int(sim.ready.ws_url.rpartition(":")[2])
            with pytest.raises(UsageError, match=str(port)):
                async with exchange(ws_port=port):
                    pass

    asyncio.run(run())


def test_a_renewed_token_is_asked_for_at_the_next_handshake_only():
    """Auth is checked when a connection is opened: streaming outlives the session, as at the broker."""

    async def run() -> None:
        async with exchange(rate=20.0) as sim:
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))
            await until(lambda: client.packets > 0)
            url = sim.ready.control_url + "/sim/access_token"
            answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url, b"").read())
            token, before = json.loads(answer)["data"]["access_token"], client.packets
            with pytest.raises(WSInvalidStatusError) as raised:
                await sim.connect()
            assert raised.value.response.status == 403
            await until(lambda: client.packets > before)
            await sim.connect(access_token=token)
            assert await sim.get("/sim/subscriptions") == {"1": {str(INFY): "quote"}, "2": {}}

    asyncio.run(run())


def test_a_script_puts_the_proxy_before_both_ports(tmp_path: Path):
    """The public addresses are the proxy's, the control address isn't; the truth goes to its file."""
    log = tmp_path / "faults.ndjson"

    async def run() -> None:
        script = "{version: 1, rules: [{at: 0, do: status, code: 429, count: 1}]}"
        async with exchange(faults=script, fault_log=str(log), rate=20.0) as sim:
            with pytest.raises(WSInvalidStatusError) as raised:
                await sim.connect()
            assert raised.value.response.status == 429
            transport, client = await sim.connect()
            say(transport, subscribe([INFY]))
            await until(lambda: client.packets > 3)
            assert (await sim.get("/sim/status"))["faults"] == {"status": 1}
            assert sim.ready.control_url != sim.ready.api_url

    asyncio.run(run())
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["record"], line["kind"], line["hits"]) == ("fault", "status", 1)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"faults": "no-such.yaml"}, UsageError, "no-such.yaml can't be read"),
        ({"faults": "version: 2"}, ConfigError, "the script:1"),
        ({"fault_log": "no-such-folder/x"}, UsageError, "fault log no-such-folder/x can't be written.*--fault-log"),
    ],
)
def test_a_script_that_is_none_is_refused_at_the_start(options: dict[str, object], error: type[Exception], says: str):
    async def run() -> None:
        async with exchange(**options):
            pass

    with pytest.raises(error, match=says):
        asyncio.run(run())


def test_a_port_that_is_taken_is_named_with_faults_too():
    async def run() -> str:
        async with exchange(faults="{version: 1, tls: expired}") as sim:
            port = int(sim.ready.ws_url.rpartition(":")[2])
            assert sim.ready.ws_url.startswith("wss:")
            assert sim.ready.api_url.startswith("https:")
            url = sim.ready.control_url + "/sim/status"
            status = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())
            assert json.loads(status)["data"]["faults"] == {"tls": 2}, "both entrances are bad from the start"
            with pytest.raises(UsageError, match=str(port)):
                async with exchange(faults="version: 1", ws_port=port):
                    pass
        return sim.ready.ca_file

    assert not Path(asyncio.run(run())).exists()
