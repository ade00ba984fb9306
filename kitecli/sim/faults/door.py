"""What a new connection meets at an entrance while faults last, sans I/O: which TLS, an answer, or a cut.

Of several faults the one that began last decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from kitecli.sim.faults.kinds import CutHandshake, Status, Tls, Where
from kitecli.sim.faults.truth import Deed

_TOKENS: Final = (
    re.compile(rb"[?&]access_token=([^&\s]+)"),
    re.compile(rb"\r\nauthorization:\s*token\s+[^:\s]*:([^\s]+)", re.IGNORECASE),
)
_WORDS: Final = {
    400: ("InputException", "Missing `api_key` or `access_token`."),
    403: ("TokenException", "Authentication failed."),
    429: ("NetworkException", "Too many requests"),
}
_HTML: Final = "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body><h1>{0} {1}</h1></body>\r\n</html>\r\n"


@dataclass(slots=True)
class _Lasting:
    """A fault at this door. ``left``: connections it is still for; None: for all that come."""

    what: CutHandshake | Status | Tls
    deed: Deed
    left: int | None
    refused: set[bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a request: pass it on, ``answer`` it and hang up, or ``cut`` at a stage."""

    answer: bytes | None = None
    cut: str = ""


PASS: Final = Verdict()


class Door:
    """``over`` is called with the deed of a fault that has run out. ``tls``: what it speaks without any."""

    def __init__(self, where: Where, tls: str | None, over: Callable[[Deed], None]) -> None:
        self.where = where
        self.redirect_to = ""
        self._tls = tls
        self._over = over
        self._lasting: list[_Lasting] = []
        self._seen: set[bytes] = set()

    def begin(self, what: CutHandshake | Status | Tls, deed: Deed) -> None:
        refused = set(self._seen) if isinstance(what, Status) else set()
        self._lasting.append(_Lasting(what, deed, what.count, refused))

    def end(self, deed: Deed) -> None:
        """Its time is over."""
        self._lasting = [one for one in self._lasting if one.deed is not deed]

    def arrive(self) -> tuple[str | None, bool]:
        """A connection has come: the TLS form it meets (None: plain), and whether it is cut at once."""
        form, server, cutter = self._tls, self._newest(Tls), self._newest(CutHandshake)
        if server:
            form = str(getattr(server[0].what, "form", ""))
            self._hit(server[0])
        if cutter and getattr(cutter[0].what, "stage", "") == "accept":
            self._hit(cutter[0])
            return form, True
        return form, False

    def request(self, head: bytes) -> Verdict:
        """A request's head has come, with all its lines."""
        tokens = tokens_in(head)
        self.count_tokens(head)
        verdict = self._judge(head, tokens)
        self._seen |= tokens
        return verdict

    def count_tokens(self, data: bytes) -> None:
        """Add the access tokens in ``data`` to the account of every fault that lasts."""
        count = sum(len(token) for token in tokens_in(data))
        for one in self._lasting:
            one.deed.token_bytes += count

    def _judge(self, head: bytes, tokens: set[bytes]) -> Verdict:
        for one in [*self._newest(Status), *self._newest(CutHandshake)]:
            if isinstance(one.what, CutHandshake):
                self._hit(one)
                return Verdict(cut=one.what.stage)
            if isinstance(one.what, Status) and not self._has_passed(one, tokens, head):
                self._hit(one)
                return Verdict(answer=self._answer(one.what))
        return PASS

    def _has_passed(self, one: _Lasting, tokens: set[bytes], head: bytes) -> bool:
        """For ``until: new_token``: the new token is here, or this is the login that makes it."""
        if not (isinstance(one.what, Status) and one.what.until_new_token):
            return False
        if not tokens:
            return self.where == "rest" and b"/session/token" in head.partition(b"\r\n")[0]
        if one.refused and not tokens & one.refused:
            self.end(one.deed)
            self._over(one.deed)
            return True
        one.refused |= tokens
        return False

    def _newest(self, kind: type[CutHandshake | Status | Tls]) -> list[_Lasting]:
        return [one for one in reversed(self._lasting) if isinstance(one.what, kind)]

    def _hit(self, one: _Lasting) -> None:
        one.deed.hits += 1
        if one.left is not None:
            one.left -= 1
            if not one.left:
                self.end(one.deed)
                self._over(one.deed)

    def _answer(self, what: Status) -> bytes:
        if what.code == HTTPStatus.FOUND:
            return redirect(self.redirect_to)
        kind, message = _WORDS.get(what.code, ("GeneralException", "Something went wrong"))
        envelope = {"status": "error", "message": message, "data": None, "error_type": kind}
        text = json.dumps(envelope) if what.body == "json" else _HTML.format(what.code, HTTPStatus(what.code).phrase)
        return respond(what.code, "application/json" if what.body == "json" else "text/html", text.encode())


def tokens_in(data: bytes) -> set[bytes]:
    return {token for pattern in _TOKENS for token in pattern.findall(data)}


def respond(code: int, content_type: str, body: bytes, extra: str = "") -> bytes:
    """A response that ends the connection."""
    head = (
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\n{extra}Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def redirect(location: str) -> bytes:
    return respond(HTTPStatus.FOUND, "text/html", b"", f"Location: {location}\r\n")
