"""A session's beginning and end at the broker: a request token for an access token, and the logout.

Source: Kite Connect v3, "User", login flow and logout.
"""

from __future__ import annotations

import hashlib

from kitecli.broker.rest import BrokerSession, ask, not_as_documented
from kitecli.secret import Secret
from kitecli.session import DaySession, session_end_s

TOKEN_PATH = "/session/token"  # noqa: S105 - a path


def exchange(session: BrokerSession, request_token: Secret, api_secret: Secret, now_s: float) -> DaySession:
    """Begin a session; the app's session before it ends.

    :raises RequestTokenRefused: used before, or too old. :raises ChecksumRefused: another app's secret.
    :raises UserNotLinked: the app isn't open to the user. :raises BrokerError: any other refusal.
    """
    text = session.api_key + request_token.reveal() + api_secret.reveal()
    form = [
        ("api_key", session.api_key),
        ("request_token", request_token.reveal()),
        ("checksum", hashlib.sha256(text.encode()).hexdigest()),
    ]
    data = ask(session, TOKEN_PATH, form, method="POST")
    if not isinstance(data, dict) or not data.get("access_token") or not data.get("user_id"):
        raise not_as_documented(TOKEN_PATH)
    token = Secret(str(data["access_token"]))
    return DaySession(session.api_key, str(data["user_id"]), token, int(now_s), session_end_s(now_s))


def end(session: BrokerSession) -> None:
    """End the API session; Kite's own pages stay logged in. Raises :class:`AuthError` where it has ended already."""
    params = [("api_key", session.api_key), ("access_token", session.access_token.reveal())]
    ask(session, TOKEN_PATH, params, method="DELETE")
