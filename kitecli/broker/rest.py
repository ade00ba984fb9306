"""The few REST calls that start a feed: the instrument master, whose session this is, last prices.

They cost what ``requests`` costs (0.1 s of import) instead of the official client's 0.8 s with Twisted, they take the
server's word for nothing (HTTP status, content type and envelope are all checked), and they say what to do when
refused. Source: Kite Connect v3, "Response structure", "Exceptions", "User", "Market quotes and instruments".
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kitecli.errors import (
    AuthError,
    BrokerError,
    BrokerUnavailable,
    ChecksumRefused,
    KiteError,
    NoMarketData,
    RequestTokenRefused,
    UsageError,
    UserNotLinked,
)
from kitecli.secret import Secret
from kitecli.session import why_refused

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called during a download with the bytes received and the bytes to come in all, None where the server doesn't say."""

API_VERSION: Final = "3"
CALL_TIMEOUT_S: Final = 7.0  # the official client's
DOWNLOAD_TIMEOUT_S: Final = 30.0  # without a byte; the whole master may take longer
CHUNK_BYTES: Final = 1 << 16
LTP_LIMIT: Final = 1000
NOT_MODIFIED: Final = 304
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """Where to call and as whom; ``route_prefix`` is the sandbox's ``/oms``, not used for the instrument master."""

    api_root: str
    api_key: str = ""
    access_token: Secret = field(default_factory=lambda: Secret(""))
    route_prefix: str = ""
    timeout_s: float = CALL_TIMEOUT_S


def fetch_instruments(session: BrokerSession, exchange: str | None = None, *, progress: Progress | None = None) -> str:
    """Download the instrument master, 10 MB for all exchanges, as CSV text for ``parse_instruments``.

    :raises AuthError: the broker wants a login. :raises BrokerError: any other refusal, an answer that is no CSV.
    :raises BrokerUnavailable: out of reach, overloaded, or a download that ended early.
    """
    path = f"/instruments/{exchange}" if exchange else "/instruments"
    return (download_master(session, path=path, progress=progress).body or b"").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class MasterDownload:
    """An instrument master as served; ``body`` None: the same as before. The rest makes the next call conditional."""

    body: bytes | None
    etag: str = ""
    last_modified: str = ""


def download_master(
    session: BrokerSession,
    etag: str = "",
    last_modified: str = "",
    *,
    path: str = "/instruments",
    progress: Progress | None = None,
) -> MasterDownload:
    """Download the instrument master unless it is what ``etag`` or ``last_modified`` stood for.

    Raises as :func:`fetch_instruments`.
    """
    timeout_s = max(session.timeout_s, DOWNLOAD_TIMEOUT_S)
    conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    headers = {name: value for name, value in conditions.items() if value}
    with _calling(session, path, [], timeout_s, headers) as response:
        if response.status_code == NOT_MODIFIED and headers:
            return MasterDownload(None, etag, last_modified)
        if not response.ok or "csv" not in response.headers.get("content-type", ""):
            raise _refusal(path, response)
        names = response.headers.get("etag", ""), response.headers.get("last-modified", "")
        return MasterDownload(_download(response, progress), *names)


def profile(session: BrokerSession) -> dict[str, object]:
    """Whose session this is: user_id, user_name, exchanges, products and more; the cheapest test of a token.

    :raises AuthError: the session has ended. :raises BrokerError: any other refusal.
    """
    data = ask(session, "/user/profile")
    if not isinstance(data, dict):
        raise not_as_documented("/user/profile")
    return data


def ltp(session: BrokerSession, names: Sequence[str]) -> dict[str, float]:
    """Last prices in rupees by ``NSE:INFY``, at most 1,000 a call and one call a second; names unknown are left out.

    :raises AuthError: the session has ended. :raises BrokerError: any other refusal; without the market-data plan
        this is where the broker says so, which a websocket's 403 doesn't.
    """
    if len(names) > LTP_LIMIT:
        raise UsageError(f"{len(names):,} last prices in one call", why=f"the broker's limit is {LTP_LIMIT:,}")
    data = ask(session, "/quote/ltp", [("i", name) for name in names])
    try:
        return {name: float(quote["last_price"]) for name, quote in dict(data).items()}  # type: ignore[call-overload]
    except (TypeError, ValueError, KeyError) as error:
        raise not_as_documented("/quote/ltp") from error


def ask(session: BrokerSession, path: str, params: Sequence[tuple[str, str]] = (), *, method: str = "GET") -> object:
    """Ask for an enveloped answer and return its ``data``; a POST has ``params`` as a form. Raises as :func:`ltp`."""
    with _calling(session, session.route_prefix + path, params, session.timeout_s, method=method) as response:
        envelope = _envelope(response)
        # The status alone won't do: the broker marks errors in the envelope, and a proxy's 200 has none.
        if not response.ok or envelope.get("status") != "success" or "data" not in envelope:
            raise _refusal(path, response)
        return envelope["data"]


@contextmanager
def _calling(
    session: BrokerSession,
    path: str,
    params: Sequence[tuple[str, str]],
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> Iterator[requests.Response]:
    import requests

    url = session.api_root.rstrip("/") + path
    with requests.Session() as http:
        # A proxy from the environment can't reach this machine's simulator.
        http.trust_env = not is_on_this_machine(url)
        http.verify = certificates()
        try:
            with http.request(
                method,
                url,
                params=None if method == "POST" else list(params),
                data=list(params) if method == "POST" else None,
                auth=_authorise(session),
                headers={"X-Kite-Version": API_VERSION, "User-Agent": "kitecli", **(headers or {})},
                timeout=(session.timeout_s, timeout_s),
                stream=True,
                allow_redirects=False,  # the interface has none; following one could carry the token elsewhere
            ) as response:
                yield response
        except requests.RequestException as error:
            raise unreachable(url, error) from error


def is_on_this_machine(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def certificates() -> str | bool:
    """What the feed's TLS trusts, which asks OpenSSL: one variable for both. True: what ``requests`` brings."""
    file = os.environ.get("SSL_CERT_FILE", "")
    return file if Path(file).is_file() else True


def _authorise(session: BrokerSession) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Set the header by an auth hook: a plain header would lose to a ~/.netrc entry of the host.

    Raises :class:`AuthError` for what no header takes: the HTTP client's own error quotes it whole.
    """
    signature = f"token {session.api_key}:{session.access_token.reveal()}"
    if not (signature.isascii() and signature.isprintable()):
        why = "letters outside ASCII or characters that can't be seen are in it"
        raise AuthError("The api_key or the access token can't be sent", why=why, hint=_LOG_IN)

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if session.access_token:
            request.headers["Authorization"] = signature
        return request

    return sign


def _download(response: requests.Response, progress: Progress | None) -> bytes:
    """Read the body, checking it against the announced length, which ``requests`` leaves to the caller."""
    announced = response.headers.get("content-length", "")
    total = int(announced) if announced.isdigit() else None
    parts: list[bytes] = []
    for part in response.iter_content(CHUNK_BYTES):
        parts.append(part)
        if progress:
            progress(response.raw.tell(), total)
    if total is not None and response.raw.tell() < total:
        raise BrokerUnavailable(
            "The instrument master's download ended early",
            why=f"{response.raw.tell():,} of {total:,} bytes came",
            hint="Try again",
        )
    return b"".join(parts)


def _envelope(response: requests.Response) -> dict[str, object]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(path: str, response: requests.Response) -> KiteError:
    """Turn an answer that isn't the wanted one into an error with the broker's own words and the next step."""
    envelope = _envelope(response)
    kind, message = str(envelope.get("error_type") or ""), str(envelope.get("message") or "")
    said = f"{message} ({kind}, HTTP {response.status_code})" if message else _describe(response)
    for where, words, known, what, hint in _KNOWN:
        if path.startswith(where) and words in message:
            return known(what, why=said, hint=hint)
    if kind == "TokenException" or "access_token" in message:
        why = f"{said}: {why_refused(time.time())}"
        return AuthError("The broker doesn't accept this session", why=why, hint=_LOG_IN)
    # A gateway's page in the place of an answer passes too, whatever its status says.
    passing = response.status_code == 429 or response.status_code >= 500 or (response.ok and not envelope)
    error = BrokerUnavailable if passing else BrokerError
    return error(f"The broker refused {path}", why=said, hint=_advice(kind, response.status_code))


_LOG_IN: Final = "log in: kite auth login; where KITE_ACCESS_TOKEN is set, put the new token there, or unset it"

_NEEDS_PLAN: Final = (
    "market data needs the paid Connect plan, the free Personal plan has none: see developers.kite.trade. "
    "Between 05:00 and 08:00 IST it can also mean that the session has ended: log in again"
)
_KNOWN: Final = (
    (
        "/session/token",
        "Token is invalid or has expired",
        RequestTokenRefused,
        "The broker doesn't take this request token",
        "log in again and use the new one at once: it works one time, within minutes",
    ),
    (
        "/session/token",
        "Invalid `checksum`",
        ChecksumRefused,
        "The api_secret isn't this app's",
        "compare api_key and api_secret with the developer console, then kite creds set api_secret",
    ),
    (
        "",
        "not enabled for the app",
        UserNotLinked,
        "This user may not use the app",
        "enter the user ID in the app's settings at developers.kite.trade; a personal app is open to its owner only",
    ),
    (
        "",
        "Insufficient permission for that call",
        NoMarketData,
        "The app may not ask for market data",
        _NEEDS_PLAN,
    ),
)
"""Where it answers so, its words, what they mean, and what helps. Source: kite-connect fact sheet, REST auth errors."""


def _advice(kind: str, status: int) -> str:
    if kind == "PermissionException":
        return "The developer console says what the app may do: developers.kite.trade"
    if status == 429:
        return "Too many calls: wait a minute; other programs may share this api_key"
    if status >= 500:
        return "The broker's servers have a problem: try again in a minute"
    if status == 404 or 300 <= status < 400:
        return "Check the endpoints of the chosen environment: `kite config show`"
    return "If the message doesn't help, run it again with KITE_DEBUG=1"


def _describe(response: requests.Response) -> str:
    """An answer without an envelope: an error page of a gateway, mostly."""
    text = response.content[:4096].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    what = "an HTML page" if "<html" in text.lower() or title else "no answer of the documented form"
    about = f" titled {' '.join(title[1].split())[:80]!r}" if title else ""
    return f"HTTP {response.status_code} with {what}{about}"


def not_as_documented(path: str) -> BrokerError:
    """The error for ``data`` of another form."""
    return BrokerError(
        f"The broker's answer to {path} isn't as documented",
        why="fields are missing",
        hint="Check for a newer version of kite",
    )


def unreachable(url: str, error: requests.RequestException) -> BrokerError:
    """The error for a call without an answer; of the address it shows the host alone."""
    import requests

    host = urlsplit(url).netloc
    if isinstance(error, requests.exceptions.SSLError):
        why = f"its certificate isn't accepted: {_root_cause(error)}"
        return BrokerError(f"{host} can't be trusted", why=why, hint="Check the machine's clock and any proxy between")
    if isinstance(error, requests.Timeout):
        return BrokerUnavailable(
            f"{host} doesn't answer", why="the call timed out", hint="Check the network and try again"
        )
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return BrokerUnavailable(f"The answer of {host} broke off", why=_root_cause(error), hint="Try again")
    return BrokerUnavailable(
        f"{host} can't be reached", why=_root_cause(error), hint="Check the network and the address"
    )


def _root_cause(error: BaseException) -> str:
    """The innermost error's words: what requests wraps around them is about its own insides."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
