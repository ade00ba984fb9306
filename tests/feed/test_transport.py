"""The websocket seam, over real sockets: whole messages in, our errors out, TLS always verified."""

import asyncio
import base64
import datetime as dt
import hashlib
import ipaddress
import re
import socket
import ssl
import struct
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from picows import WSCloseCode, WSMsgType

from kitecli.errors import (
    CertificateRefused,
    ConnectionFailed,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
)
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret

TOKEN = "tok3n-that-must-not-show"


class Collector:
    def __init__(self):
        self.messages = []
        self.came = asyncio.Event()

    def on_binary(self, payload):
        self.messages.append(bytes(payload))
        self.came.set()

    def on_text(self, text):
        self.messages.append(text)
        self.came.set()

    async def have(self, count):
        while len(self.messages) < count:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), 5)
        return self.messages


def address(server):
    return Secret(f"{server.url}?api_key=k&access_token={TOKEN}")


def test_messages_arrive_whole_and_in_order(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            got = Collector()
            link = await PicowsTransport().open(address(server), got)
            client = await server.client()
            client.send(b"\x00")
            client.send(b'{"type":"message"}', kind=WSMsgType.TEXT)
            client.send(b"\x00\x01\x00\x08")
            assert await got.have(3) == [b"\x00", '{"type":"message"}', b"\x00\x01\x00\x08"]
            link.send_text("hello")
            assert await server.hear(client, 1) == ["hello"]
            link.close()

    asyncio.run(scenario())


def test_a_pings_answer_gives_the_round_trip_and_other_pongs_nothing(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            got = Collector()
            link = await PicowsTransport().open(address(server), got)
            client = await server.client()
            client.transport.send_pong(b"unasked")
            client.send(b"\x00")
            await got.have(1)
            assert link.rtt_ns is None
            link.ping()
            async with asyncio.timeout(5):
                while link.rtt_ns is None:
                    await asyncio.sleep(0.001)
            assert 0 < link.rtt_ns < 5_000_000_000
            assert got.messages == [b"\x00"], "a pong is no message"
            link.close()

    asyncio.run(scenario())


def test_an_aborted_link_is_over_at_once_and_takes_what_is_sent_to_it_without_a_word(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            link = await PicowsTransport().open(address(server), Collector())
            link.abort()
            assert (await asyncio.wait_for(link.wait_closed(), 5)).code == 1006
            link.send_text("late")
            link.ping()
            link.close()
            client = await server.client()
            await asyncio.wait_for(client.gone.wait(), 5)
            assert client.texts == []

    asyncio.run(scenario())


def test_fragments_are_joined(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            got = Collector()
            await PicowsTransport().open(address(server), got)
            client = await server.client()
            for kind, parts in ((WSMsgType.BINARY, (b"ab", b"", b"cd")), (WSMsgType.TEXT, (b"on", b"e"))):
                for index, part in enumerate(parts):
                    last = index == len(parts) - 1
                    client.send(part, kind=kind if index == 0 else WSMsgType.CONTINUATION, fin=last)
            assert await got.have(2) == [b"abcd", "one"]

    asyncio.run(scenario())


def test_the_upgrade_says_its_version_and_offers_no_extensions(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            await PicowsTransport().open(address(server), Collector())
            headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
            assert headers["x-kite-version"] == "3"
            assert "sec-websocket-extensions" not in headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, HandshakeForbidden),
        (400, HandshakeBadRequest),
        (429, HandshakeRateLimited),
        (500, ConnectionFailed),
        (502, ConnectionFailed),
    ],
)
def test_a_refused_upgrade_is_an_error_of_its_own(tiny_server, status, error):
    async def scenario():
        async with tiny_server() as server:
            server.refuse = (status, b'{"status":"error","message":"no"}')
            with pytest.raises(error) as refusal:
                await PicowsTransport().open(address(server), Collector())
            assert type(refusal.value) is error
            assert TOKEN not in str(refusal.value)
            assert refusal.value.hint

    asyncio.run(scenario())


def test_a_redirect_is_not_followed_because_the_url_carries_the_token(tiny_server):
    async def scenario():
        async with tiny_server() as thief, tiny_server() as server:
            moved = f"HTTP/1.1 302 Found\r\nLocation: {thief.url}\r\nContent-Length: 0\r\n\r\n"

            async def answer(reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(moved.encode())
                await writer.drain()
                writer.close()

            plain = await asyncio.start_server(answer, "127.0.0.1", 0)
            server.url = f"ws://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
            with pytest.raises(ConnectionFailed):
                await PicowsTransport().open(address(server), Collector())
            assert thief.requests == []
            plain.close()

    asyncio.run(scenario())


def test_nobody_listening_and_no_websocket(tiny_server):
    async def scenario():
        with pytest.raises(ConnectionFailed, match="can't be reached"):
            await PicowsTransport().open(Secret(f"ws://127.0.0.1:1/?access_token={TOKEN}"), Collector())

        async def babble(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
            await writer.drain()
            writer.close()

        mail = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = mail.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed) as refusal:
            await PicowsTransport().open(Secret(f"ws://127.0.0.1:{port}/?access_token={TOKEN}"), Collector())
        assert TOKEN not in str(refusal.value)
        mail.close()

    asyncio.run(scenario())


def test_what_is_no_websocket_after_the_handshake_ends_the_link_and_no_more(tiny_server):
    """picows raises it where the link is waited for; to us it is one more way a connection ends."""

    async def scenario():
        async with tiny_server() as server:
            link = await PicowsTransport().open(address(server), Collector())
            (await server.client()).transport.underlying_transport.write(b"\x83\x00")  # no such opcode
            assert (await asyncio.wait_for(link.wait_closed(), 5)).code == 1002

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1#part", "http://127.0.0.1", "ws://[::1", "nonsense"])
def test_an_address_that_is_none_is_an_error_without_the_token(url):
    with pytest.raises(ConnectionFailed) as refusal:
        asyncio.run(PicowsTransport().open(Secret(f"{url}?access_token={TOKEN}"), Collector()))
    assert TOKEN not in str(refusal.value)
    assert refusal.value.__suppress_context__, "the library's traceback would show the URL"


def test_how_a_connection_ended_is_told(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            link = await PicowsTransport().open(address(server), Collector())
            (await server.client()).transport.send_close(WSCloseCode.GOING_AWAY, b"maintenance")
            ended = await asyncio.wait_for(link.wait_closed(), 5)
            assert (ended.code, ended.reason) == (1001, "maintenance")
            link = await PicowsTransport().open(address(server), Collector())
            (await server.client(1)).transport.disconnect(False)
            assert (await asyncio.wait_for(link.wait_closed(), 5)).code == 1006

    asyncio.run(scenario())


RESETS = 24


class Busy(Collector):
    def on_binary(self, payload):
        time.sleep(0.0005)  # taking a message in lasts, and the reset comes meanwhile


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_reset_is_noticed_at_once_whatever_the_loop(loop):
    """Of a connection on which messages come, or have just come: then data and error are found together."""
    runner = (
        asyncio.Runner() if loop == "asyncio" else asyncio.Runner(loop_factory=pytest.importorskip(loop).new_event_loop)
    )

    async def scenario(port):
        for _ in range(RESETS):
            link = await PicowsTransport().open(Secret(f"ws://127.0.0.1:{port}"), Busy())
            assert (await asyncio.wait_for(link.wait_closed(), 2)).code == 1006

    with socket.create_server(("127.0.0.1", 0)) as server, runner:
        threading.Thread(target=_accept_and_reset, args=(server, RESETS), daemon=True).start()
        runner.run(scenario(server.getsockname()[1]))


def _accept_and_reset(server, times):
    for number in range(times):
        client, _ = server.accept()
        with client:
            client.sendall(_accepted(client.recv(4096)))
            time.sleep(0.003)
            client.sendall(number % 4 * (b"\x82\x7e\x40\x00" + bytes(16384)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_server_that_cannot_prove_itself_is_refused(tiny_server, certificate):
    """The official client connects to it and sends the token."""

    async def scenario():
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        async with tiny_server(tls) as server:
            with pytest.raises(CertificateRefused) as refusal:
                await PicowsTransport().open(address(server), Collector())
            assert server.requests == [], "the token was sent before the certificate was checked"
            assert TOKEN not in str(refusal.value)
            trusting = ssl.create_default_context(cafile=str(certificate))
            await PicowsTransport(trusting).open(address(server), Collector())
            assert len(server.requests) == 1

    asyncio.run(scenario())


def test_a_handshake_nobody_waits_for_any_more_leaves_no_connection():
    async def scenario():
        hung_up = asyncio.get_running_loop().create_future()
        asked = asyncio.Event()

        async def late(reader, writer):
            request = await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await asyncio.sleep(0.05)  # the client gives up meanwhile
            writer.write(_accepted(request))
            hung_up.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(late, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        opening = asyncio.ensure_future(PicowsTransport().open(Secret(f"ws://127.0.0.1:{port}/"), Collector()))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert await asyncio.wait_for(hung_up, 5) == b""
        server.close()

    asyncio.run(scenario())


def _accepted(request):
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request)[1]
    proof = base64.b64encode(
        hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    )
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )
