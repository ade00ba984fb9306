"""Who may come in: the app, its request tokens, its one access token. Sans I/O; the same for REST and the handshake.

A session made by a login ends at 06:00 IST, at a logout, and when the app logs in again; the one that is ready at the
start, a convenience the broker doesn't offer, ends only by the latter two.
Source of the error texts and codes: kite-connect fact sheet, REST auth errors and the handshake's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kitecli.clock import NS_PER_S, ist
from kitecli.sim.options import REDIRECT_URL

MAX_CONNECTIONS: Final = 3
EXPIRY_HOUR: Final = 6
REQUEST_TOKEN_LIFE_NS: Final = 5 * 60 * NS_PER_S
NEVER_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as the broker words it."""

    status: int
    message: str
    error_type: str

    def body(self) -> bytes:
        envelope = {"status": "error", "message": self.message, "data": None, "error_type": self.error_type}
        return json.dumps(envelope).encode()


MISSING_KEY: Final = Refusal(400, "Missing `api_key`.", "InputException")
NO_AUTHORIZATION: Final = Refusal(400, "Invalid `api_key` or `access_token`.", "InputException")
BAD_SESSION: Final = Refusal(403, "Incorrect `api_key` or `access_token`.", "TokenException")
BAD_REQUEST_TOKEN: Final = Refusal(403, "Token is invalid or has expired.", "TokenException")
BAD_CHECKSUM: Final = Refusal(403, "Invalid `checksum`.", "TokenException")
NOT_LINKED: Final = Refusal(403, "The user is not enabled for the app.", "PermissionException")
NOT_IN_PLAN: Final = Refusal(403, "Insufficient permission for that call.", "PermissionException")
HANDSHAKE_MISSING: Final = Refusal(400, "Missing `api_key` or `access_token`.", "InputException")
HANDSHAKE_DENIED: Final = Refusal(403, "Authentication failed.", "TokenException")
TOO_MANY_CONNECTIONS: Final = Refusal(429, "Too many requests", "NetworkException")


@dataclass(frozen=True, slots=True)
class Session:
    access_token: str
    public_token: str
    started_ns: int
    expires_ns: int


@dataclass(slots=True)
class App:
    """What the developer console says of the app: where logins go, whether the user may use it, and its plan."""

    redirect_url: str
    linked: bool = True
    market_data: bool = True


class Sessions:
    """``mint``: makes a new token each time it is called."""

    def __init__(self, mint: Callable[[], str], now_ns: int, redirect_url: str = REDIRECT_URL) -> None:
        self._mint = mint
        self.app = App(redirect_url)
        self.api_key = "sim" + mint()[:13]
        self.api_secret = mint()
        self._request_tokens: dict[str, int] = {}
        self.current: Session | None = Session(mint(), mint(), now_ns, NEVER_NS)

    def new_request_token(self, now_ns: int) -> str:
        """What the broker's login page hands to the app."""
        token = self._mint()
        self._request_tokens[token] = now_ns + REQUEST_TOKEN_LIFE_NS
        return token

    def exchange(self, api_key: str, request_token: str, checksum: str, now_ns: int) -> Session | Refusal:
        """A request token for a session; it works once, and ends the session before it."""
        if not api_key:
            return MISSING_KEY
        expected = hashlib.sha256((api_key + request_token + self.api_secret).encode()).hexdigest()
        if api_key != self.api_key or self._request_tokens.get(request_token, 0) <= now_ns:
            return BAD_REQUEST_TOKEN
        if not _equal(expected, checksum):
            return BAD_CHECKSUM
        if not self.app.linked:
            return NOT_LINKED
        del self._request_tokens[request_token]
        self.current = Session(self._mint(), self._mint(), now_ns, next_expiry_ns(now_ns))
        return self.current

    def renew(self, now_ns: int) -> Session:
        """A new session without a login: what a user does every morning. The one before it ends."""
        self.current = Session(self._mint(), self._mint(), now_ns, NEVER_NS)
        return self.current

    def check(self, api_key: str, access_token: str, now_ns: int) -> Refusal | None:
        session = self.current
        if session is None or api_key != self.api_key or now_ns >= session.expires_ns:
            return BAD_SESSION
        return None if _equal(session.access_token, access_token) else BAD_SESSION

    def end(self, api_key: str, access_token: str, now_ns: int) -> Refusal | None:
        """A logout. Open ticker connections stay, as the broker's do for a while."""
        refusal = self.check(api_key, access_token, now_ns)
        if refusal is None:
            self.current = None
        return refusal

    def admit(self, api_key: str, access_token: str, open_connections: int, now_ns: int) -> Refusal | None:
        """The ticker's handshake: None to go ahead (101), or 400, 403 or 429."""
        if not api_key or not access_token:
            return HANDSHAKE_MISSING
        if self.check(api_key, access_token, now_ns) or not self.app.market_data:
            return HANDSHAKE_DENIED
        return TOO_MANY_CONNECTIONS if open_connections >= MAX_CONNECTIONS else None


def _equal(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def next_expiry_ns(now_ns: int) -> int:
    """The next 06:00 IST, when the broker ends all sessions."""
    now = ist(now_ns // NS_PER_S)
    expiry = now.replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    if expiry <= now:
        expiry += timedelta(days=1)
    return int(expiry.timestamp()) * NS_PER_S
