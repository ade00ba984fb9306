"""What only the broker and the network can tell: whose session it is, and how this machine looks from outside.

``kite auth status`` and ``kite doctor --online`` print it. The verdicts are plain functions of what was found.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kitecli.auth.headless import CLOCK_TOLERANCE_S, Answer, Ask, skew_of
from kitecli.clock import ist
from kitecli.errors import AuthError, BrokerUnavailable, KiteError, NoMarketData
from kitecli.machine import Check
from kitecli.session import DaySession, read_session, why_refused

if TYPE_CHECKING:
    from kitecli.broker.rest import BrokerSession
    from kitecli.settings.endpoints import Endpoints
    from kitecli.wiring import Market

PROBED: Final = "NSE:INFY"
"""Its last price is asked for, to see whether the app may have any."""
TIMEOUT_S: Final = 7.0
FINE_CLOCK_S: Final = 2.0  # the Date of an answer is whole seconds
CERTIFICATE_DAYS: Final = 7
_LOG_IN: Final = "kite auth login"


@dataclass(frozen=True, slots=True)
class Standing:
    """A session by the broker's word. ``market_data``: whether the app may have any, None where it wasn't told.

    ``since_s`` and ``until_s``: epoch seconds, where kite made the login itself.
    """

    user_id: str
    user_name: str
    source: str
    market_data: bool | None
    since_s: int | None = None
    until_s: int | None = None

    def as_dict(self, now_s: float) -> dict[str, object]:
        """For ``--json``: times as ISO 8601 with their zone."""
        return {
            "user_id": self.user_id,
            "user_name": self.user_name,
            "source": self.source,
            "market_data": self.market_data,
            "since": ist(self.since_s).isoformat() if self.since_s else None,
            "until": ist(self.until_s).isoformat() if self.until_s else None,
            "remaining_s": max(0, round(self.until_s - now_s)) if self.until_s else None,
        }

    def rows(self, now_s: float) -> list[tuple[str, str]]:
        until = f"{_moment(self.until_s)}, in {_span(self.until_s - now_s)}" if self.until_s else "about 06:00 IST"
        since = [("since", _moment(self.since_s))] if self.since_s else []
        data = {True: "yes", False: "no: the app's plan has none", None: "not told"}[self.market_data]
        who = f"{self.user_id} ({self.user_name})" if self.user_name else self.user_id
        return [("user", who), ("token from", self.source), *since, ("until", until), ("market data", data)]


def standing(asking: BrokerSession, source: str, session: DaySession | None, now_s: float) -> Standing:
    """Ask the broker. Raises :class:`AuthError` where the session isn't accepted, with the likely reason."""
    from kitecli.broker.rest import ltp, profile

    try:
        who = profile(asking)
    except AuthError as refusal:
        why = why_refused(now_s, session.until_s if session else None)
        raise AuthError("The session isn't accepted any more", why=why, hint=_LOG_IN) from refusal
    try:
        ltp(asking, [PROBED])
        market_data: bool | None = True
    except NoMarketData:
        market_data = False
    except BrokerUnavailable:  # one quote a second for all programs of the app together
        market_data = None
    times = (session.since_s or None, session.until_s) if session else (None, None)
    return Standing(str(who.get("user_id", "")), str(who.get("user_name", "")), source, market_data, *times)


def standing_at(market: Market, now_s: float) -> Standing:
    """The standing of the session that kite would connect with now. Raises :class:`AuthError`."""
    from kitecli.wiring import rest_session

    asking = rest_session(market)
    if market.session.access_token:
        source = "the exchange's start" if market.simulated else "KITE_ACCESS_TOKEN"
        return standing(asking, source, None, now_s)
    if market.token_file:
        return standing(asking, market.token_file, None, now_s)
    session = read_session(Path(str(market.session_file)), now_s)
    return standing(asking, _LOG_IN, session, now_s)


def check_online(ends: Endpoints, static_ips: Sequence[str], whose: Callable[[], Standing]) -> Iterator[Check]:
    """The rows of ``kite doctor --online``; a check never raises for what it looks for."""
    yield from _reach(ends.api_root, static_ips)
    date = _ask(ends.api_root, "clock and broker")
    yield date if isinstance(date, Check) else check_skew(skew_of(date.headers.get("date", ""), time.time()))
    yield check_session(whose, time.time())
    address = _ask(ends.ip_url, "egress IP")
    yield address if isinstance(address, Check) else check_egress(address.body.decode("ascii", "replace"), static_ips)


def check_skew(skew_s: float | None) -> Check:
    """``skew_s``: how far this machine's clock is ahead of the broker's."""
    name = "clock and broker"
    if skew_s is None:
        return Check(name, "warn", "the broker told no time", "try again")
    found = f"{abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"
    if abs(skew_s) <= FINE_CLOCK_S:
        return Check(name, "ok", f"within {FINE_CLOCK_S:g} s")
    advice = "set the clock, best by itself: timedatectl set-ntp true"
    return Check(name, "warn" if abs(skew_s) <= CLOCK_TOLERANCE_S else "fail", found, advice)


def check_session(whose: Callable[[], Standing], now_s: float) -> Check:
    try:
        found = whose()
    except KiteError as refusal:
        return Check("session", "warn", f"{refusal.what}{': ' if refusal.why else ''}{refusal.why}", refusal.hint)
    text = f"{found.user_id}, by {found.source}"
    if found.until_s:
        text += f", for {_span(found.until_s - now_s)}"
    if found.market_data is False:
        return Check("session", "warn", f"{text}; no market data", "the app needs the Connect plan to stream")
    return Check("session", "ok", text)


def check_egress(said: str, static_ips: Sequence[str]) -> Check:
    """``said``: by a server that answers with the address one asks from."""
    name = "egress IP"
    try:
        found = str(ip_address(said.strip()))
    except ValueError:
        return Check(name, "warn", "not told", "something between here and the network answers instead of it")
    if found in static_ips:
        return Check(name, "ok", f"{found}, registered")
    if not static_ips:
        advice = "orders are taken from registered addresses alone: developers.kite.trade, then kite.static_ips"
        return Check(name, "warn", f"{found}; kite.static_ips names none", advice)
    advice = f"orders from here would be refused (data wouldn't): register {found}, or leave by {', '.join(static_ips)}"
    return Check(name, "warn", f"{found}, not among the registered", advice)


def check_family(family: int, address: str, static_ips: Sequence[str]) -> Check:
    """``family``: of the socket that reached the broker. A machine with IPv6 may leave by another address."""
    version = 6 if family == socket.AF_INET6 else 4
    registered = {ip_address(one).version for one in static_ips}
    found = f"IPv{version} to {address}"
    if registered and version not in registered:
        advice = f"the registered addresses are IPv{min(registered)}: register this one, too, or turn IPv{version} off"
        return Check("network", "warn", found, advice)
    return Check("network", "ok", found)


def check_certificate(version: str, not_after: str, now_s: float) -> Check:
    """``not_after``: the end of the server's certificate, as ssl tells it."""
    days = (ssl.cert_time_to_seconds(not_after) - now_s) / 86_400
    found = f"{version}, certificate until {datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC):%Y-%m-%d}"
    if days < CERTIFICATE_DAYS:
        return Check("TLS", "warn", found, "the broker's to renew; a proxy that opens TLS would be yours")
    return Check("TLS", "ok", found)


def _reach(root: str, static_ips: Sequence[str]) -> Iterator[Check]:
    """Open a connection as REST and feed do; TLS where the address is of TLS."""
    where = urlsplit(root)
    host, port = where.hostname or "", where.port or (443 if where.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), TIMEOUT_S) as plain:
            yield check_family(plain.family, str(plain.getpeername()[0]), static_ips)
            if where.scheme == "https":
                yield _sealed(plain, host)
            else:
                yield Check("TLS", "ok", "not used: the server is on this machine")
    except OSError as error:
        why = error.strerror or str(error)
        yield Check("network", "fail", f"{host}:{port}: {why}", "check network, name service and firewall")


def _sealed(plain: socket.socket, host: str) -> Check:
    try:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as sealed:
            certificate = sealed.getpeercert() or {}
            return check_certificate(sealed.version() or "TLS", str(certificate["notAfter"]), time.time())
    except OSError as error:  # SSLError is one; a server may also hang up
        return Check(
            "TLS", "fail", _why_unsealed(error), "check the clock, a proxy that opens TLS, and the trust store"
        )


def _why_unsealed(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return f"no handshake: {str(reason or error).replace('_', ' ').lower()}"


def _ask(url: str, name: str) -> Answer | Check:
    """What a server answers, or the row ``name``."""
    from kitecli.auth.web import Web

    try:
        with Web() as web:
            return web.ask(Ask("GET", url))
    except KiteError as error:
        return Check(name, "warn", f"not told. {error.what}: {error.why}", error.hint)


def _moment(at_s: int) -> str:
    return f"{ist(at_s):%H:%M} IST on {ist(at_s):%d %B}"


def _span(seconds: float) -> str:
    minutes = max(0, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
