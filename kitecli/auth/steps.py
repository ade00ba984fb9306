"""What a login says and is told: the page's address, the redirect that answers it. Sans I/O.

::

    login page ──user logs in──▶ redirect URL?request_token=…&status=success&action=login&nonce=…
                                                     └─ exchanged for the day's access token (broker/login.py)

The nonce goes through the broker's ``redirect_params`` and back: a page elsewhere that sends the browser to our
listener doesn't know it. Source: kite-connect fact sheet, official flow.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from kitecli.errors import AuthError
from kitecli.secret import Secret

NONCE: Final = "nonce"
_AGAIN: Final = "begin again: kite auth login"


def page_url(login_url: str, api_key: str, nonce: str) -> str:
    """The broker's login page for this app and this login."""
    query = {"v": "3", "api_key": api_key, "redirect_params": urlencode({NONCE: nonce})}
    return f"{login_url}?{urlencode(query)}"


def answers(redirected_to: str, nonce: str) -> bool:
    """Whether a redirect belongs to this login, however that ended. Raises :class:`AuthError` for no address."""
    return hmac.compare_digest(_said(redirected_to).get(NONCE, "").encode(errors="replace"), nonce.encode())


def request_token_of(redirected_to: str, nonce: str) -> Secret:
    """The request token that a redirect brings. Raises :class:`AuthError` where it brings none, or another login's."""
    said = _said(redirected_to)
    if not answers(redirected_to, nonce):
        raise AuthError("This redirect answers another login", why="what kite sent along didn't come back", hint=_AGAIN)
    token = said.get("request_token", "")
    if not token or said.get("status", "success") != "success":
        raise AuthError(
            "The broker sent no request token",
            why=said.get("message") or f"its status is {said.get('status', 'missing')}",
            hint=_AGAIN,
        )
    return Secret(token)


def pasted_token(text: str, nonce: str) -> Secret:
    """The request token in what a user pasted: the address his browser ended at, or the token alone.

    Raises :class:`AuthError`.
    """
    text = text.strip()
    if "request_token=" in text or "://" in text:
        return request_token_of(text if "?" in text else f"?{text}", nonce)
    if not text.isalnum():
        raise AuthError(
            "That is no request token",
            why="it is letters and digits alone" if text else "nothing was pasted",
            hint="paste the whole address that the browser ended at, also where it shows an error",
        )
    return Secret(text)


def is_loopback(url: str) -> bool:
    """Whether a redirect there comes to our listener, which has an address of IPv4."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost"}


def _said(redirected_to: str) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(urlsplit(redirected_to).query).items()}
    except ValueError as error:
        raise AuthError("That is no address", why=str(error), hint=_AGAIN) from None
