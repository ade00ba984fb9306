"""One alert to one channel, over HTTP. Its own small client: the feed's process loads nothing heavy."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlsplit

from kitecli.alerts.messages import request_of
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.errors import ConfigError, EnvironmentProblem, KiteError
from kitecli.secret import redacted

TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 4_096
ANSWER_LETTERS: Final = 200
_HERE: Final = ("127.0.0.1", "localhost", "::1")


class Undelivered(Exception):
    """``error``: for people. ``again``: another try may work, ``after_s`` as the server says, if it does."""

    def __init__(self, error: KiteError, *, again: bool, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after_s = after_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address holds a secret: it isn't carried to where a server points."""

    def redirect_request(self, *_: object) -> None:
        return None


class Post:
    """Posts; made once, because to read what certificates to trust takes 10 ms and more."""

    def __init__(self) -> None:
        context = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_NoRedirect, context)

    def deliver(self, plan: AlertPlan, channel: str, alert: Alert) -> None:
        """Raises :class:`Undelivered`."""
        address, body = request_of(plan, channel, alert)
        try:
            with self._opener.open(_request(address.reveal(), body), timeout=TIMEOUT_S) as answer:
                answer.read(ANSWER_BYTES)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(channel, refusal) from None
        except (OSError, http.client.HTTPException) as cause:
            reason = getattr(cause, "reason", None) or cause
            raise Undelivered(_problem(channel, redacted(str(reason) or type(cause).__name__)), again=True) from None
        except ValueError:  # its text quotes the address
            raise Undelivered(
                ConfigError(
                    f"The address for alerts by {channel} is none",
                    why="it is to be https://…; without TLS on this machine only, because a secret stands in it",
                    hint="correct KITE_WEBHOOK_URL or alerts.telegram_root",
                ),
                again=False,
            ) from None


def _request(address: str, body: bytes) -> urllib.request.Request:
    """Raises :class:`ValueError` for what isn't https, or http on this machine."""
    parts = urlsplit(address)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)):
        raise ValueError(parts.scheme)
    headers = {"Content-Type": "application/json", "User-Agent": "kite"}
    return urllib.request.Request(address, body, headers)  # noqa: S310 - the scheme was looked at


def _refused(channel: str, refusal: urllib.error.HTTPError) -> Undelivered:
    why, after_s = _reason(refusal)
    again = refusal.code == http.client.TOO_MANY_REQUESTS or refusal.code >= http.client.INTERNAL_SERVER_ERROR
    return Undelivered(_problem(channel, why), again=again, after_s=after_s)


def _reason(refusal: urllib.error.HTTPError) -> tuple[str, float]:
    """What the server says of it, and how long to wait; Telegram says both in its body."""
    after = refusal.headers.get("Retry-After", "") if refusal.headers else ""
    text = refusal.read(ANSWER_BYTES).decode("utf-8", "replace")
    try:
        said = json.loads(text)
        text = str(said["description"])
        after = str(said.get("parameters", {}).get("retry_after", after))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # another server's words
    words = " ".join(text.split())[:ANSWER_LETTERS]
    return redacted(f"HTTP {refusal.code}{': ' if words else ''}{words}"), float(after) if after.isdigit() else 0.0


def _problem(channel: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The alert could not be sent by {channel}", why=why, hint="kite alerts test tries it again; see docs/logs.md"
    )
