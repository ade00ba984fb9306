"""HTTP/1.1 for :mod:`~kitecli.sim.rest`: just enough for the clients of a simulator on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from kitecli.sim.calls import JSON, Request, Response
from kitecli.sim.sessions import Refusal

MAX_HEAD_BYTES: Final = 128 * 1024  # a thousand instruments in a query are 30 KB
MAX_BODY_BYTES: Final = 1024 * 1024
_MALFORMED: Final = Refusal(400, "Malformed request.", "InputException")


async def serve_http(handle: Callable[[Request], Response], host: str, port: int) -> asyncio.Server:
    """Listen; ``handle`` answers each request, on the loop's thread. Raises OSError where the port is taken."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _answer_one(handle, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, in the middle of a request or between two
        finally:
            writer.close()

    return await asyncio.start_server(converse, host, port, limit=MAX_HEAD_BYTES)


async def _answer_one(
    handle: Callable[[Request], Response], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """True to keep the connection."""
    try:
        request = parse_head(await reader.readuntil(b"\r\n\r\n"))
        length = int(request.headers.get("content-length", "0"))
        if not 0 <= length <= MAX_BODY_BYTES:
            raise ValueError(length)
    except (ValueError, asyncio.LimitOverrunError):
        writer.write(format_response(Response(_MALFORMED.status, JSON, _MALFORMED.body()), keep=False))
        await writer.drain()
        return False
    body = await reader.readexactly(length)
    keep = request.headers.get("connection", "").lower() != "close"
    response = handle(Request(request.method, request.target, request.headers, body))
    writer.write(format_response(response, keep=keep))
    await writer.drain()
    return keep


def parse_head(head: bytes) -> Request:
    """The request line and the headers. Raises ValueError for what is no HTTP/1.x request."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError(lines[0])
    headers = {}
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(line)
            headers[name.strip().lower()] = value.strip()
    return Request(method, target, headers)


def format_response(response: Response, *, keep: bool) -> bytes:
    phrase = HTTPStatus(response.status).phrase
    more = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    head = (
        f"HTTP/1.1 {response.status} {phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n{more}"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + response.body
