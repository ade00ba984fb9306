"""The login without a browser: password and code sent as the broker's own page sends them. Sans I/O.

Opt-in, because the broker's staff say that a person has to log in once a day and that automating it isn't supported.
It is undocumented, too, and may end working any day. Source: kite-connect fact sheet, the common headless TOTP login.

A generator: it yields what to ask, is sent the answer, and returns the request token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from kitecli.auth.steps import request_token_of
from kitecli.errors import AuthError, BrokerError, BrokerUnavailable, CodeRefused, EnvironmentProblem, PasswordRefused
from kitecli.secret import Secret

CLOCK_TOLERANCE_S: Final = 20.0
"""A code changes every 30 s, and servers take one step of difference: with less, ours is among them."""
HOPS: Final = 8
_BY_HAND: Final = "log in by hand: kite auth login"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request; a ``form`` is sent as one."""

    method: str
    url: str
    form: Mapping[str, str | Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers``: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class User:
    """``code``: what the authenticator shows now; ``now_s``: this machine's wall clock."""

    user_id: Secret
    password: Secret
    code: Callable[[], Secret]
    now_s: Callable[[], float]


Flow = Generator[Ask, Answer, Secret]


def headless(page: str, nonce: str, user: User) -> Flow:
    """Log ``user`` in at the login ``page`` and return the request token.

    :raises PasswordRefused: user or password. :raises CodeRefused: the authenticator's code. :raises AuthError: the
        broker wants something else of this user. :raises EnvironmentProblem: this machine's clock is too far off for a
        code to be right; nothing was tried. :raises BrokerUnavailable: the broker has a problem.
    """
    page += "&skip_session=true"  # leaves the user's own browser sessions alone
    answer = yield Ask("GET", page)
    check_clock(answer, user.now_s())
    answer, url = yield from _followed(page, answer)
    if "location" in answer.headers:
        return request_token_of(answer.headers["location"], nonce)
    _check_page(answer)
    form: dict[str, str | Secret] = {"user_id": user.user_id, "password": user.password, "type": "user_id"}
    data = _data(PasswordRefused, (yield Ask("POST", urljoin(url, "/api/login"), form)))
    if "totp" not in (data.get("twofa_type"), *_words(data.get("twofa_types"))):
        raise AuthError(
            "This account takes no code of an authenticator", why=f"but {data.get('twofa_type')}", hint=_BY_HAND
        )
    form = {
        "user_id": user.user_id,
        "request_id": str(data.get("request_id", "")),
        "twofa_value": user.code(),
        "twofa_type": "totp",
        "skip_session": "true",
    }
    _data(CodeRefused, (yield Ask("POST", urljoin(url, "/api/twofa"), form)))
    answer, _ = yield from _followed(page, (yield Ask("GET", page)))
    if "location" not in answer.headers:
        raise _wants_a_person(answer)
    return request_token_of(answer.headers["location"], nonce)


def check_clock(answer: Answer, now_s: float) -> None:
    """Raises :class:`EnvironmentProblem` where this machine's clock and the server's are too far apart for a code."""
    skew_s = skew_of(answer.headers.get("date", ""), now_s)
    if skew_s is not None and abs(skew_s) > CLOCK_TOLERANCE_S:
        raise EnvironmentProblem(
            f"This machine's clock is {abs(skew_s):,.0f} s {'fast' if skew_s > 0 else 'slow'}",
            why="an authenticator's codes depend on the time: the broker would refuse them. Nothing was tried",
            hint="set the clock, best by itself: timedatectl set-ntp true",
        )


def skew_of(date: str, now_s: float) -> float | None:
    """Seconds this machine is ahead of a server that says ``Date: …``; None where it says none."""
    try:
        return now_s - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def _followed(url: str, answer: Answer) -> Generator[Ask, Answer, tuple[Answer, str]]:
    """Follow redirects as far as the broker's own host; the one that leaves it is the answer."""
    own = urlsplit(url)[:2]
    for _ in range(HOPS):
        where = answer.headers.get("location")
        if where is None:
            return answer, url
        target = urljoin(url, where)
        if "request_token=" in urlsplit(target).query:
            return answer, url
        if urlsplit(target)[:2] != own:
            raise AuthError("The broker's login leads elsewhere", why=f"to {urlsplit(target).netloc}", hint=_BY_HAND)
        url = target
        answer = yield Ask("GET", url)
    raise BrokerUnavailable("The broker's login goes round in circles", why=f"{HOPS} redirects", hint="Try again")


def _check_page(answer: Answer) -> None:
    if answer.status >= 500:
        raise BrokerUnavailable("The broker's login has a problem", why=f"HTTP {answer.status}", hint="Try again")
    if answer.status != 200:
        message, _ = _refusal(answer)
        raise BrokerError("The broker has no login page for this app", why=message, hint="compare the api_key")


def _data(refused: type[AuthError], answer: Answer) -> Mapping[str, object]:
    """What a step answers; otherwise raises ``refused``, in the broker's words."""
    envelope = _envelope(answer)
    data = envelope.get("data")
    if answer.status == 200 and envelope.get("status") == "success" and isinstance(data, dict):
        return data
    if answer.status >= 500 or answer.status == 429 or not envelope:
        why = f"HTTP {answer.status}"
        raise BrokerUnavailable("The broker's login has a problem", why=why, hint="Try again in a minute")
    message, kind = _refusal(answer)
    what, hint = _REFUSED[refused]
    raise refused(what, why=f"{message} ({kind}, HTTP {answer.status})", hint=hint)


_CHECK_BOTH: Final = (
    "kite doesn't try it a second time, because the broker blocks accounts: check both in Kite itself, correct them "
    "(kite creds set password), then kite auth login --totp --retry"
)
_CHECK_CODE: Final = (
    "kite doesn't try a second time, because the broker blocks accounts: compare totp_secret with your authenticator "
    "and the clock with kite doctor --online, then kite auth login --totp --retry"
)
_REFUSED: Final = {
    PasswordRefused: (
        "The broker refused user ID or password",
        _CHECK_BOTH,
    ),
    CodeRefused: (
        "The broker refused the authenticator's code",
        _CHECK_CODE,
    ),
}


def _wants_a_person(answer: Answer) -> AuthError:
    message = "" if answer.status == 200 else _refusal(answer)[0]
    return AuthError(
        "The broker wants to show you a page first",
        why=message or "at an app's first login it asks whether the app may have your data",
        hint=f"do it once: {_BY_HAND}",
    )


def _refusal(answer: Answer) -> tuple[str, str]:
    envelope = _envelope(answer)
    kind = str(envelope.get("error_type") or "no reason")
    return str(envelope.get("message") or f"HTTP {answer.status}"), kind


def _envelope(answer: Answer) -> Mapping[str, object]:
    try:
        said = json.loads(answer.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _words(value: object) -> list[object]:
    return value if isinstance(value, list) else []
