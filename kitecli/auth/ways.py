"""The three ways from the login page to a request token. Each takes the page's address and the login's nonce."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from kitecli.auth.headless import Flow, User, headless
from kitecli.auth.hold import Hold
from kitecli.auth.keys import Keys, needed
from kitecli.auth.steps import pasted_token
from kitecli.errors import AuthError, CodeRefused, KiteError, PasswordRefused
from kitecli.secret import Secret

Way = Callable[[str, str], Secret]
Say = Callable[[str], None]

BROWSER_WAIT_S: Final = 300.0
"""A request token is good for minutes, and so is patience with a login page."""
POSITION: Final = (
    "Logging in by a program: the broker's staff say that a person has to log in once a day, and that automating it is "
    "neither recommended nor supported. It may end working any day, and password and authenticator's secret on one "
    "machine are one factor, not two. You asked for it."
)


def by_browser(redirect_url: str, say: Say, wait_s: float = BROWSER_WAIT_S) -> Way:
    """Open the page, catch the redirect on this machine."""

    def way(page: str, nonce: str) -> Secret:
        from kitecli.auth.browser import browser_at
        from kitecli.auth.listener import Listener

        with Listener(redirect_url, page, nonce) as listener:
            say(f"Log in in your browser; if none opens, go to\n  {page}")
            with browser_at(listener.door):
                return listener.wait(wait_s)

    return way


def by_paste(read_line: Callable[[], str], say: Say, draw: Say = lambda _: None) -> Way:
    """Show the page's address, take what the browser ended at. ``draw``: shows it for a phone's camera, if it can."""

    def way(page: str, nonce: str) -> Secret:
        say(f"Open this in a browser, on any machine, and log in:\n  {page}")
        say("Then paste the address it ends at, also if it shows an error there, and press Enter:")
        draw(page)  # last, so that a terminal of 24 lines still shows all of it
        return pasted_token(read_line(), nonce)

    return way


def by_totp(keys: Keys, hold: Hold, say: Say, *, retry: bool = False) -> Way:
    """Password and code from the credentials. ``retry``: what was refused before is corrected."""

    def way(page: str, nonce: str) -> Secret:
        user = User(needed(keys, "user_id"), needed(keys, "password"), _authenticator(keys), time.time)
        with hold.alone():
            if retry:
                hold.lift()
            hold.check()
            if hold.first_time():
                say(POSITION)
            return _run(headless(page, nonce, user), hold)

    return way


def _run(flow: Flow, hold: Hold) -> Secret:
    """Carry the flow's requests. The note stands from the moment the password is sent until it was taken."""
    from kitecli.auth.web import Web

    with Web() as web:
        try:
            asked = next(flow)
            while True:
                if asked.form:
                    hold.trying(time.time())
                asked = flow.send(web.ask(asked))
        except StopIteration as done:
            hold.lift()
            token: Secret = done.value
            return token
        except (PasswordRefused, CodeRefused) as refusal:
            hold.refused(time.time(), refusal.what)
            raise
        except KiteError:
            hold.lift()  # nobody said that password or code were wrong
            raise


def _authenticator(keys: Keys) -> Callable[[], Secret]:
    secret = needed(keys, "totp_secret")

    def code() -> Secret:
        import pyotp

        try:
            return Secret(pyotp.TOTP(secret.reveal().replace(" ", "")).at(int(time.time())))
        except ValueError:  # also binascii.Error; what it says could show the secret
            pass
        raise AuthError(
            "The totp_secret is none",
            why="it has to be the base32 text shown beside the QR code, of 26 letters and digits or more",
            hint="kite creds set totp_secret",
        )

    code()
    return code
