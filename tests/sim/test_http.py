"""HTTP over a real socket: kept connections, bodies, malformed heads."""

from __future__ import annotations

import asyncio

import pytest

from kitecli.sim.calls import Request, Response
from kitecli.sim.http import MAX_BODY_BYTES, MAX_HEAD_BYTES, parse_head, serve_http


def converse(*parts: bytes) -> bytes:
    """What a server that echoes answers to these bytes; it closes when we do."""

    async def run() -> bytes:
        server = await serve_http(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        server.close()
        return answer

    return asyncio.run(run())


def echo(request: Request) -> Response:
    return Response(200, "text/csv", f"{request.method} {request.target} ".encode() + request.body)


def test_a_connection_is_kept_for_the_next_request():
    answer = converse(
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /b?i=1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo", b"dy"
    )
    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Content-Type: text/csv\r\nContent-Length: 7\r\n" in first
    assert first.endswith(b"\r\n\r\nGET /a ")
    assert second.endswith(b"POST /b?i=1 body")


def test_close_is_honoured():
    one = b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = converse(one + one)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"GET /" + b"x" * (MAX_HEAD_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_a_malformed_request_is_answered_400_and_ends_it(head: bytes):
    answer = converse(head)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b'"error_type": "InputException"' in answer


def test_a_client_that_leaves_in_the_middle_harms_nobody():
    assert converse(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf") == b""
    assert converse(b"GET / HT") == b""


def test_header_names_are_lower_case():
    assert parse_head(b"GET / HTTP/1.1\r\nAuthorization: token a:b\r\n\r\n").headers == {"authorization": "token a:b"}
