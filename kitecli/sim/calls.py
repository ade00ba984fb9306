"""A request to the simulated exchange taken apart, and an answer put together. Sans I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote

from kitecli.sim.sessions import Refusal

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``target``: path and query as on the request line. ``headers``: names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """``headers``: those beside the content's type and length, as they are written."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A request taken apart. ``fields``: the query's and the form's values by name."""

    method: str
    path: str
    fields: Mapping[str, list[str]]
    authorization: str
    body: bytes
    now_ns: int
    cookies: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> str:
        return self.fields.get(name, [""])[0]


def taken_apart(request: Request, now_ns: int) -> Call:
    raw_path, _, query = request.target.partition("?")  # urlsplit raises on some targets
    fields = parse_qs(query, keep_blank_values=True)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        fields |= parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    path = unquote(raw_path).rstrip("/") or "/"
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    cookies = {name: value for name, _, value in pairs}
    authorization = request.headers.get("authorization", "")
    return Call(request.method, path, fields, authorization, request.body, now_ns, cookies)


def success(data: object, *headers: tuple[str, str]) -> Response:
    return Response(200, JSON, json.dumps({"status": "success", "data": data}).encode(), headers)


def refuse(refusal: Refusal) -> Response:
    return Response(refusal.status, JSON, refusal.body())


def redirect(url: str) -> Response:
    return Response(302, TEXT, b"", (("Location", url),))
