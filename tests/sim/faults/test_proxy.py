"""Each fault as a plain socket sees it, and what the proxy says it did."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import struct
import time
import warnings

import pytest
from rig import HOST, OKAY, masked, packets, proxied, said, until, within

from kitecli.errors import UsageError
from kitecli.sim.faults.frames import BINARY, make_frame
from kitecli.sim.faults.kinds import DAMAGES

TICKS = make_frame(BINARY, packets(44, 184, 8))


def run(scenario, script: str = "version: 1"):
    async def work():
        async with proxied(script) as rig:
            return await scenario(rig)

    return asyncio.run(work())


# ---- nothing is done


def test_without_a_fault_bytes_are_passed_on_as_they_are():
    async def scenario(rig):
        client, exchange = await rig.connect()
        down = b"".join(make_frame(BINARY, bytes([at % 256]) * (at * 37 % 70_000)) for at in range(100))
        exchange.say(down)
        assert await client.exactly(len(down)) == down
        up = b"".join(masked(1, b"x" * (at * 11 % 3000)) for at in range(200)) + masked(9, b"ping")
        client.say(up)
        assert await exchange.exactly(len(up)) == up
        assert b"access_token=old" in rig.heads[0]
        exchange.writer.close()
        assert await client.end() == "fin"
        _, head = await rig.call()
        assert head.startswith(b"HTTP/1.1 200")
        assert rig.requests[0].startswith(b"GET /user/profile")
        assert rig.lines == []

    run(scenario)


def test_a_client_that_leaves_is_gone_at_the_exchange():
    async def scenario(rig):
        client, exchange = await rig.connect()
        client.writer.close()
        assert await exchange.end() == "fin"
        client, exchange = await rig.connect()
        exchange.writer.transport.abort()
        await client.end()
        assert rig.proxy.report()["connections"] == []

    run(scenario)


def test_a_slow_client_is_felt_by_the_exchange():
    """Else the proxy would hold what the exchange thinks was read."""

    async def scenario(rig):
        client, exchange = await rig.connect()
        client.writer.transport.pause_reading()
        chunk = make_frame(BINARY, bytes(1 << 20))
        for _ in range(40):
            exchange.say(chunk)
        await asyncio.sleep(0.3)
        held = exchange.writer.transport.get_write_buffer_size()
        assert held > 20 << 20, "the proxy took more than sockets hold"
        client.writer.transport.resume_reading()
        await client.exactly(40 * len(chunk))

    run(scenario)


# ---- cuts


@pytest.mark.parametrize("kind", ["rst", "fin"])
def test_a_cut_ends_the_connection_on_both_sides(kind):
    async def scenario(rig):
        client, exchange = await rig.connect()
        [deed] = rig.do(f"do: {kind}")
        assert await client.end() == kind
        assert await exchange.end() == "fin"
        assert (deed.kind, deed.connection, deed.seat, deed.hits) == (kind, 1, 0, 1)
        assert deed.to_ns == deed.from_ns, "nobody was subscribed, so nobody lost anything"

    run(scenario)


def test_half_open_the_exchange_is_gone_and_the_client_is_not_told():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: half_open, for: 0.4}")
        assert await exchange.end() == "fin"
        client.say(said("subscribe", [1]))
        assert await client.is_quiet()
        await rig.connect()
        assert [one["seat"] for one in rig.proxy.report()["connections"]] == [None, 0]
        assert await client.end() == "rst", "when the server is back it knows nothing of the connection"

    run(scenario)


def test_silence_holds_everything_and_loses_nothing():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: silence, for: 0.4}")
        exchange.say(TICKS)
        client.say(masked(1, b"hello"))
        assert await client.is_quiet()
        exchange.say(TICKS)
        assert await client.exactly(2 * len(TICKS)) == 2 * TICKS
        assert await exchange.frame() == (1, True, b"hello")

    run(scenario)


def test_a_client_that_leaves_a_silent_connection_is_gone_at_the_exchange():
    """Else its next connection might be the fourth."""

    async def scenario(rig):
        client, exchange = await rig.connect()
        [deed] = rig.do("do: silence")
        client.writer.close()
        assert await exchange.end() == "fin"
        await until(lambda: deed.to_ns is not None)

    run(scenario)


def test_refused_means_refused_by_the_operating_system():
    async def scenario(rig):
        client, _ = await rig.connect()
        rig.do("{do: refuse, for: 0.3}")
        rig.do("{do: refuse, for: 0.1}")
        assert await client.end() == "rst"
        with pytest.raises(ConnectionRefusedError):
            await rig.dial()
        await asyncio.sleep(0.15)
        with pytest.raises(ConnectionRefusedError):
            await rig.dial()
        await rig.call()  # the other entrance is open
        await until(lambda: len(rig.lines) == 2)
        await asyncio.sleep(0)
        await rig.connect()
        assert rig.counts == {"refuse": 2}

    run(scenario)


def test_frozen_neither_accepts_nor_reads_nor_answers_and_then_goes_on():
    async def scenario(rig):
        client, exchange = await rig.connect()
        leaver, left = await rig.connect()
        rig.do("{do: freeze, for: 0.5, where: both}")
        rig.do("{do: freeze, for: 0.1}")
        exchange.say(TICKS)
        leaver.writer.close()
        client.say(masked(1, b"hello"))
        late = asyncio.ensure_future(rig.connect())
        call = asyncio.ensure_future(rig.call())
        assert await client.is_quiet()
        assert await left.is_quiet(), "it doesn't even see who hangs up"
        assert not late.done()
        assert not call.done()
        assert len(rig.heads) == 2
        assert rig.requests == []
        assert await client.exactly(len(TICKS)) == TICKS
        assert await exchange.frame() == (1, True, b"hello")
        assert await left.end() == "fin"
        await within(late)
        await within(call)

    run(scenario)


# ---- the handshake


@pytest.mark.parametrize(
    ("stage", "comes", "asked"), [("accept", b"", 0), ("request", b"", 0), ("response", b"HTTP/1.1 101", 1)]
)
def test_a_handshake_is_cut(stage, comes, asked):
    async def scenario(rig):
        rig.do(f"{{do: cut_handshake, stage: {stage}, count: 2}}")
        for _ in range(2):
            client = await rig.dial()
            client.say(b"GET /?access_token=secret HTTP/1.1\r\n\r\n")
            assert await client.exactly(len(comes)) == comes
            assert await client.end() == "rst"
        assert len(rig.heads) == 2 * asked
        await rig.connect()
        [line] = rig.lines
        assert (line["detail"], line["hits"]) == (stage, 2)
        assert line["token_bytes"] == (0 if stage == "accept" else 12)

    run(scenario)


def test_403_until_a_new_token_comes():
    async def scenario(rig):
        await rig.connect("first")
        rig.do("{do: status, code: 403, until: new_token}")
        for _ in range(3):
            wire, status = await rig.ask("first")
            assert status == b"HTTP/1.1 403 Forbidden"
            body = json.loads(await rest_of(wire))
            assert (body["status"], body["message"]) == ("error", "Authentication failed.")
        await rig.connect("second")
        await rig.connect("first")  # the exchange decides again
        [line] = rig.lines
        assert (line["kind"], line["detail"], line["hits"], line["token_bytes"]) == ("status", "403", 3, 15 + 6)

    run(scenario)


async def rest_of(wire) -> bytes:
    """The body of a response whose head has been read."""
    return await within(wire.reader.read())


def test_before_any_token_was_seen_the_first_one_is_the_old_one():
    async def scenario(rig):
        assert b"403" in (await rig.ask("one"))[1]
        assert b"403" in (await rig.ask("one"))[1]
        assert b"101" in (await rig.ask("two"))[1]

    run(scenario, "{version: 1, rules: [{at: 0, do: status, code: 403, until: new_token}]}")


def test_errors_with_html_as_gateways_send_them():
    async def scenario(rig):
        rig.do("{do: status, code: 502, count: 1, body: html, where: both}")
        wire, status = await rig.ask()
        assert status == b"HTTP/1.1 502 Bad Gateway"
        assert b"<title>502 Bad Gateway</title>" in await rest_of(wire)
        wire, head = await rig.call()
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html")
        assert await wire.end() == "fin"
        assert rig.requests == []
        await rig.connect()
        _, head = await rig.call()
        assert b"200 OK" in head

    run(scenario)


def test_429_for_a_while():
    async def scenario(rig):
        rig.do("{do: status, code: 429, for: 0.2}")
        assert b" 429 " in (await rig.ask())[1]
        await until(lambda: bool(rig.lines))
        assert b" 101 " in (await rig.ask())[1]

    run(scenario)


def test_kept_rest_connections_are_answered_too():
    async def scenario(rig):
        wire, _ = await rig.call()
        await wire.exactly(15)
        rig.do("{do: status, code: 500, count: 1, where: rest}")
        wire.say(b"GET /quote HTTP/1.1\r\n\r\n")
        assert (await wire.head()).startswith(b"HTTP/1.1 500")
        assert len(rig.requests) == 1

    run(scenario)


def test_rest_that_never_answers():
    async def scenario(rig):
        wire, _ = await rig.call()
        await wire.exactly(15)
        rig.do("{do: silence, for: 0.4, where: rest}")
        wire.say(b"GET /quote HTTP/1.1\r\n\r\n")
        assert await wire.is_quiet()
        assert len(rig.requests) == 1
        assert await wire.exactly(len(OKAY)) == OKAY

    run(scenario)


def test_who_follows_a_redirect_into_the_clear_is_found_out():
    async def scenario(rig):
        rig.do("{do: status, code: 302, count: 1}")
        wire = await rig.dial()
        wire.say(b"GET /?access_token=secret HTTP/1.1\r\n\r\n")
        head = (await wire.head()).decode()
        place = head.partition("Location: ws://127.0.0.1:")[2]
        reader, writer = await asyncio.open_connection(HOST, int(place.partition("/")[0]))
        writer.write(b"GET /?access_token=secret HTTP/1.1\r\n\r\n")
        await within(reader.read())
        writer.close()
        assert rig.proxy.report()["token_bytes"] == {"ticker": 6, "rest": 0, "trap": 6}

    run(scenario)


# ---- the line


def test_a_thin_line_is_thin():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: slow, bytes_per_s: 100_000}")
        began = time.monotonic()
        exchange.say(make_frame(BINARY, bytes(30_000)))
        await client.exactly(30_004)
        assert 0.25 <= time.monotonic() - began < 5

    run(scenario)


def test_a_long_line_is_late_but_not_thin_and_ends_with_the_fault():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: slow, delay: 200ms, for: 0.3}")
        began = time.monotonic()
        exchange.say(make_frame(BINARY, bytes(5_000_000)))
        await client.exactly(5_000_010)
        assert 0.15 <= time.monotonic() - began < 5
        await until(lambda: bool(rig.lines))
        began = time.monotonic()
        exchange.say(TICKS)
        await client.exactly(len(TICKS))
        assert time.monotonic() - began < 0.15

    run(scenario)


def test_what_stands_meets_connections_that_come_later():
    async def scenario(rig):
        began = time.monotonic()
        first, _ = await rig.connect()
        assert time.monotonic() - began > 0.1
        second, exchange = await rig.connect()
        exchange.say(TICKS)
        assert [await second.frame() for _ in range(3)][2][:2] == (0, True), "the second seat gets fragments"
        rig.upstream[0].say(TICKS)
        assert (await first.frame())[:2] == (BINARY, True)

    script = """
    version: 1
    rules:
      - {at: 0s, do: slow, delay: 120ms}
      - {at: 0s, do: split, into: fragments, pieces: 3, connections: [1]}
    """
    run(scenario, script)


# ---- frames


def test_frames_come_in_segments():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: split, pieces: 4, pause: 40ms}")
        exchange.say(TICKS)
        parts = []
        while sum(map(len, parts)) < len(TICKS):
            parts.append(await within(client.reader.read(1 << 16)))
        assert len(parts) == 4
        assert b"".join(parts) == TICKS

    run(scenario)


def test_messages_come_in_fragments():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: split, into: fragments, pieces: 3, for: 0.3}")
        exchange.say(TICKS[:50])
        await asyncio.sleep(0.02)
        exchange.say(TICKS[50:] + make_frame(9, b"ping"))
        got = [await client.frame() for _ in range(4)]
        assert [frame[:2] for frame in got] == [(BINARY, False), (0, False), (0, True), (9, True)]
        assert b"".join(frame[2] for frame in got[:3]) == packets(44, 184, 8)
        exchange.say(TICKS[:50])
        await until(lambda: bool(rig.lines))
        exchange.say(TICKS[50:] + TICKS)
        assert await client.exactly(2 * len(TICKS)) == 2 * TICKS, "a frame that was begun before is whole"

    run(scenario)


def test_frames_come_together():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: merge, frames: 3}")
        for _ in range(3):
            assert client.reader._buffer == b""
            exchange.say(TICKS)
            await asyncio.sleep(0.02)
        assert await within(client.reader.read(1 << 16)) == 3 * TICKS
        exchange.say(TICKS)
        assert await client.exactly(len(TICKS)) == TICKS, "nobody waits for the rest for ever"

    run(scenario)


def how_it_reads(payload: bytes) -> str:
    """What a strict reader says of a message of ticks."""
    count, at = struct.unpack(">H", payload[:2])[0], 2
    lengths = []
    while at < len(payload) and len(lengths) < count:
        size = int.from_bytes(payload[at : at + 2], "big")
        if at + 2 + size > len(payload):
            return "truncated"
        lengths.append(size)
        at += 2 + size
    if len(lengths) < count:
        return "count"
    return "length" if lengths[1:] == [44, 184, 8] and lengths[0] not in (8, 28, 32, 44, 184) else "garbled"


@pytest.mark.parametrize("form", DAMAGES)
def test_frames_are_damaged_and_the_next_is_sound(form):
    async def scenario(rig):
        client, exchange = await rig.connect()
        [deed] = rig.do(f"{{do: malformed, form: {form}, frames: 2}}")
        exchange.say(make_frame(BINARY, b"\0") + 3 * TICKS)
        assert await client.frame() == (BINARY, True, b"\0"), "a heartbeat can't be damaged"
        for _ in range(2):
            opcode, fin, payload = await client.frame()
            assert fin
            assert payload != packets(44, 184, 8) or opcode != BINARY
            if form == "opcode":
                assert opcode == 3
            elif form == "garbled":
                assert len(payload) == len(packets(44, 184, 8))
            elif form == "truncated":
                assert how_it_reads(payload) in ("truncated", "count")
            else:
                assert how_it_reads(payload) == form
        assert await client.frame() == (BINARY, True, packets(44, 184, 8))
        assert (deed.hits, deed.detail) == (2, form)

    run(scenario)


# ---- when


def test_a_cut_between_any_two_messages_of_a_restoration():
    for number in (1, 2, 3):

        async def scenario(rig, number=number):
            client, exchange = await rig.connect()
            client.say(b"".join(said("subscribe", [at]) for at in range(1, 5)))
            for at in range(1, number + 1):
                assert json.loads((await exchange.frame())[2])["v"] == [at]
            assert await exchange.end() == "fin"
            assert await client.end() == "rst"
            client, exchange = await rig.connect()
            client.say(b"".join(said("subscribe", [at]) for at in range(1, 5)))
            assert [json.loads((await exchange.frame())[2])["v"] for _ in range(4)] == [[1], [2], [3], [4]]

        run(scenario, f"{{version: 1, rules: [{{on_message: {number}, do: rst, times: 1}}]}}")


def test_a_cut_after_a_frame_and_not_in_it():
    async def scenario(rig):
        for _ in range(2):
            client, exchange = await rig.connect()
            exchange.say(5 * TICKS)
            assert await client.exactly(3 * len(TICKS)) == 3 * TICKS
            assert await client.reader.read(1) == b""

    run(scenario, "{version: 1, rules: [{on_frame: 3, do: fin}]}")


def test_silence_in_the_middle_of_a_frame_that_is_shaped_keeps_the_order():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: split, pieces: 2}")
        exchange.say(3 * TICKS + TICKS[:20])
        assert await client.exactly(len(TICKS)) == TICKS
        assert await client.is_quiet(0.1)
        exchange.say(TICKS[20:])
        assert await client.exactly(3 * len(TICKS)) == 3 * TICKS
        text = [said("subscribe", [at]) for at in range(3)]
        client.say(text[0] + text[1] + text[2][:5])
        assert (await exchange.frame())[2].endswith(b"[0]}")
        client.say(text[2][5:])
        assert (await exchange.frame())[2].endswith(b"[1]}")
        assert (await exchange.frame())[2].endswith(b"[2]}")

    run(scenario, "{version: 1, rules: [{on_frame: 1, do: silence, for: 0.2}, {on_message: 1, do: silence, for: 0.2}]}")


def test_silence_in_the_middle_of_a_chunk_keeps_the_order():
    async def scenario(rig):
        client, exchange = await rig.connect()
        frames = [make_frame(BINARY, packets(size)) for size in (8, 28, 32, 44)]
        exchange.say(b"".join(frames))
        assert await client.exactly(len(frames[0] + frames[1])) == frames[0] + frames[1]
        assert await client.is_quiet(0.1)
        assert await client.exactly(len(frames[2] + frames[3])) == frames[2] + frames[3]
        client.say(said("subscribe", [1]) + said("subscribe", [2]))
        assert (await exchange.frame())[2].endswith(b"[1]}")
        assert await exchange.is_quiet(0.1)
        assert (await exchange.frame())[2].endswith(b"[2]}")

    run(scenario, "{version: 1, rules: [{on_frame: 2, do: silence, for: 0.2}, {on_message: 1, do: silence, for: 0.2}]}")


def test_by_the_clock_and_after_opening():
    async def scenario(rig):
        client, _ = await rig.connect()
        began = time.monotonic()
        assert await client.end() == "fin"
        assert time.monotonic() - began > 0.15
        for _ in range(2):
            await (await rig.connect())[0].end()
        await until(lambda: rig.counts["cut_handshake"] == 3)
        await asyncio.sleep(0.15)
        assert rig.counts == {"cut_handshake": 3, "fin": 3, "status": 1}

    script = """
    version: 1
    rules:
      - {after_open: 200ms, do: fin}
      - {every: 100ms, jitter: 20ms, do: cut_handshake, where: rest, times: 3}
      - {at: 300ms, do: status, code: 503, count: 1, where: rest}
    """
    run(scenario, script)


def test_a_replacement_sits_where_the_cut_one_sat():
    async def scenario(rig):
        clients = [(await rig.connect())[0] for _ in range(3)]
        [deed] = rig.do("{do: rst, connections: [1]}")
        assert (deed.connection, deed.seat) == (2, 1)
        assert await clients[1].end() == "rst"
        again, _ = await rig.connect()
        [deed] = rig.do("{do: fin, connections: [1]}")
        assert (deed.connection, deed.seat) == (4, 1)
        assert await again.end() == "fin"
        assert rig.do("{do: fin, connections: [1]}") == []
        chosen = {rig.do("{do: silence, for: 0.01, connections: {random: 1}}")[0].seat for _ in range(30)}
        assert chosen == {0, 2}
        assert len(rig.do("do: rst")) == 2

    run(scenario)


# ---- the truth


def test_an_outage_lasts_from_the_cut_to_the_first_data_after_its_restoration():
    async def scenario(rig):
        client, exchange = await rig.connect()
        client.say(said("mode", [1, 2], "full") + said("mode", [3], "ltp"))
        await exchange.frame()
        await exchange.frame()
        exchange.say(TICKS)
        await client.frame()
        before = time.time_ns()
        [deed] = rig.do("do: rst")
        assert before <= deed.from_ns <= time.time_ns()
        client, exchange = await rig.connect()
        client.say(said("subscribe", [1, 2, 3]))
        await exchange.frame()
        exchange.say(TICKS)
        await client.frame()
        client.say(said("mode", [1, 2], "full") + said("mode", [3], "ltp"))
        await exchange.frame()
        await exchange.frame()
        exchange.say(make_frame(BINARY, b"\0"))
        await client.frame()
        assert deed.to_ns is None, "a heartbeat is no data"
        before = time.time_ns()
        exchange.say(TICKS)
        await client.frame()
        [outage] = [line for line in rig.lines if line["record"] == "outage"]
        assert outage["from_ns"] == deed.from_ns
        assert outage["last_byte_ns"] <= outage["from_ns"]
        assert before <= outage["to_ns"] == deed.to_ns <= time.time_ns()
        assert (outage["instruments"], outage["lowest_token"], outage["restored_by"]) == (3, 1, 2)

    run(scenario)


@pytest.mark.parametrize("shape", ["{do: split}", "{do: merge, frames: 2}", "{do: slow, delay: 10ms}"])
def test_a_heartbeat_is_no_data_in_any_shape(shape):
    async def scenario(rig):
        client, exchange = await rig.connect()
        client.say(said("subscribe", [1]))
        await exchange.frame()
        [deed] = rig.do("{do: silence, for: 0.01}")
        rig.do(shape)
        exchange.say(make_frame(BINARY, b"\0"))
        await client.frame()
        assert deed.to_ns is None
        before = time.time_ns()
        exchange.say(TICKS)
        await client.frame()
        await until(lambda: deed.to_ns is not None)
        assert deed.to_ns - before > (50_000_000 if "merge" in shape else 0), "what is gathered hasn't gone"

    run(scenario)


def test_a_silence_that_ends_is_an_outage_of_one_connection():
    async def scenario(rig):
        client, exchange = await rig.connect()
        client.say(said("subscribe", [1]))
        await exchange.frame()
        [deed] = rig.do("{do: silence, for: 0.2}")
        exchange.say(TICKS)
        await client.frame()
        [outage] = [line for line in rig.lines if line["record"] == "outage"]
        assert outage["restored_by"] == outage["connection"] == 1
        assert 0.2e9 <= deed.to_ns - deed.from_ns < 5e9

    run(scenario)


def test_what_is_under_way_at_the_end_is_written_too():
    async def work():
        async with proxied() as rig:
            client, exchange = await rig.connect()
            client.say(said("subscribe", [1]))
            await exchange.frame()
            rig.do("do: rst")
            rig.do("{do: freeze, for: 60, where: rest}")
        return rig.lines

    lines = asyncio.run(work())
    assert [(line["record"], line["kind"], line["to_ns"]) for line in lines] == [
        ("outage", "rst", None),
        ("fault", "rst", None),
        ("fault", "freeze", None),
    ]


# ---- TLS


def trusting(rig) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=rig.proxy.ca_file)


def test_a_good_server_is_trusted_with_its_authority_only():
    async def scenario(rig):
        with pytest.raises(ssl.SSLCertVerificationError):
            await rig.ask(tls=ssl.create_default_context())
        assert rig.proxy.token_bytes["ticker"] == 0
        wire, status = await rig.ask("tok", tls=trusting(rig))
        assert b" 101 " in status
        await until(lambda: bool(rig.upstream))
        rig.upstream[0].say(TICKS)
        assert await wire.exactly(len(TICKS)) == TICKS
        wire.say(masked(1, b"sealed"))
        assert await rig.upstream[0].frame() == (1, True, b"sealed")
        rig.do("do: rst")
        assert await wire.end() == "rst"
        _, head = await rig.call(tls=trusting(rig))
        assert b"200 OK" in head
        assert rig.proxy.report()["token_bytes"] == {"ticker": 3, "rest": 3, "trap": 0}

    run(scenario, "{version: 1, tls: good}")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("self_signed", "self-signed certificate"),
        ("wrong_host", "ip address mismatch"),
        ("expired", "certificate has expired"),
        ("unknown_ca", "unable to get local issuer certificate"),
        ("tls_1_1", "reset"),  # asyncio sends no alert after a handshake that failed
        ("plaintext_redirect", "wrong version number|record layer failure"),
    ],
)
def test_a_bad_server_is_bad_in_one_way_and_gets_no_token(form, says):
    async def scenario(rig):
        for where in ("ticker", "rest"):
            with pytest.raises((ssl.SSLError, ConnectionResetError)) as refused:
                await rig.dial(where, trusting(rig))
            assert re.search(says, str(refused.value).lower() or "reset")
        await asyncio.sleep(0.02)
        deeds = rig.proxy.truth.deeds
        assert [(deed.kind, deed.detail, deed.hits, deed.token_bytes) for deed in deeds] == [("tls", form, 1, 0)] * 2
        assert rig.proxy.report()["connections"] == []

    run(scenario, f"{{version: 1, tls: {form}}}")


@pytest.mark.parametrize("form", ["self_signed", "wrong_host", "expired", "unknown_ca"])
def test_who_does_not_check_gets_through_and_is_written_down(form):
    async def scenario(rig):
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        assert b" 101 " in (await rig.ask("secret", tls=careless))[1]
        assert [deed.token_bytes for deed in rig.proxy.truth.deeds] == [6, 0]

    run(scenario, f"{{version: 1, tls: {form}}}")


@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="this OpenSSL was built without TLS 1.1")
def test_an_old_client_reaches_the_old_server():
    async def scenario(rig):
        old = trusting(rig)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1_1
        assert b" 101 " in (await rig.ask(tls=old))[1]

    run(scenario, "{version: 1, tls: tls_1_1}")


def test_a_login_page_in_the_clear_sends_elsewhere():
    """What a hotel's network does: the port speaks no TLS and sends to a page of its own."""

    async def scenario(rig):
        wire = await rig.dial()
        wire.say(b"GET /?access_token=secret HTTP/1.1\r\n\r\n")
        head = await wire.head()
        assert head.startswith(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:")
        assert rig.proxy.truth.deeds[0].token_bytes == 6

    run(scenario, "{version: 1, tls: plaintext_redirect}")


def test_tls_waits_for_the_thaw_like_all_else():
    async def scenario(rig):
        rig.do("{do: freeze, for: 0.2}")
        began = time.monotonic()
        assert b" 101 " in (await rig.ask(tls=trusting(rig)))[1]
        assert time.monotonic() - began > 0.15

    run(scenario, "{version: 1, tls: good}")


def test_a_server_goes_bad_for_a_while():
    async def scenario(rig):
        assert b" 101 " in (await rig.ask(tls=trusting(rig)))[1]
        rig.do("{do: tls, form: expired, count: 1}")
        with pytest.raises(ssl.SSLCertVerificationError):
            await rig.ask(tls=trusting(rig))
        assert b" 101 " in (await rig.ask(tls=trusting(rig)))[1]

    run(scenario, "{version: 1, tls: good}")


def test_tls_cannot_come_over_a_plain_connection():
    async def scenario(rig):
        with pytest.raises(UsageError, match="plain connection"):
            rig.do("{do: tls, form: expired}")

    run(scenario)
