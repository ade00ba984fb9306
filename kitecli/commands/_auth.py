"""What the verbs of ``kite auth`` share: which exchange, which way, and what is said around a login."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kitecli.commands._shared import print_json, print_rows, say
from kitecli.errors import AuthError, NoMarketData, UsageError

if TYPE_CHECKING:
    from kitecli.auth.authenticator import KiteAuthenticator
    from kitecli.auth.keys import Keys
    from kitecli.online import Standing
    from kitecli.session import DaySession
    from kitecli.settings import Settings
    from kitecli.sim.options import Ready

FIRST_TIME = """To log in, the broker has to know an app of yours, once:
  1. At developers.kite.trade create an app. Type Connect has market data (paid monthly); Personal is free and has none.
  2. Its redirect URL: {redirect}
  3. Orders (not data) are taken from registered addresses alone: enter this machine's at the profile's IP whitelist,
     and as kite.static_ips in the configuration. kite doctor --online says which it is.
  4. kite creds setup keeps the app's api_key and api_secret in a vault; then kite auth login, every morning.
To see it without an account: kite auth login --sim"""


def way_named(*, paste: bool, totp: bool) -> str:
    """The way that was asked for. Raises :class:`UsageError` for two."""
    if paste and totp:
        raise UsageError("--paste and --totp are two ways", hint="choose one")
    return "totp" if totp else "paste" if paste else "browser"


@contextmanager
def simulated(settings: Settings, *, sim: bool, start: bool = False) -> Iterator[Ready | None]:
    """The simulated exchange to log in at: the one in the background, or, if it may ``start``, one for the occasion."""
    if not sim:
        yield None
        return
    from kitecli.ring.location import runtime_dir
    from kitecli.sim import background

    found = background.running(runtime_dir())
    if found is not None or not start:
        yield found or _none_runs()
        return
    from kitecli.auth.place import place_at
    from kitecli.sim.launcher import launch
    from kitecli.sim.options import REDIRECT_URL, SimOptions

    with launch(SimOptions(redirect_url=settings.kite.redirect_url or REDIRECT_URL)) as exchange:
        try:
            yield exchange.ready
        finally:
            place_at(exchange.ready).session_file(exchange.ready.api_key).unlink(missing_ok=True)
    say("kite: the simulated exchange was there for this login only; kite feed --daemon --sim has one that stays")


def log_in(auth: KiteAuthenticator, settings: Settings, ready: Ready | None, *, again: bool) -> Standing:
    """Log in, saying what a person needs to know; how the session stands then."""
    from kitecli.online import standing

    if ready is not None:
        say(f"kite: user {ready.user_id}, password {ready.password}; the page shows a code")
    elif (again or auth.known() is None) and _has_no_app(auth.keys):
        say(FIRST_TIME.format(redirect=auth.place.redirect_url or "any address; kite auth login --paste"))
    session = auth.login(again=again)
    for name in ("access_token", "access_token_file"):
        if ready is None and getattr(settings.kite, name):
            say(f"kite: KITE_{name.upper()} is set, and goes before this login: unset it")
    return standing(auth.asking(session), "kite auth login", session, time.time())


def _has_no_app(keys: Keys) -> bool:
    return not (keys.find("api_key") and keys.find("api_secret")) and not keys.shut()


def stands(settings: Settings, ready: Ready | None) -> Standing:
    """The standing of the session that kite would use now. Raises :class:`AuthError`; asks nobody for a password."""
    from kitecli.auth.place import todays_session
    from kitecli.online import standing_at
    from kitecli.wiring import market_of, open_market

    if ready is not None:
        return standing_at(market_of(ready), time.time())
    kite = settings.kite
    if not (kite.access_token or kite.access_token_file or todays_session(kite, time.time())):
        raise _nobody()
    with open_market(settings, None) as market:
        return standing_at(market, time.time())


def known(auth: KiteAuthenticator) -> DaySession:
    """The session that lasts. Raises :class:`AuthError` where there is none."""
    session = auth.known()
    if session is None:
        raise _nobody()
    return session


def show(found: Standing, *, as_json: bool) -> None:
    """Print it. Raises :class:`NoMarketData` afterwards where that is what it lacks."""
    if as_json:
        print_json(found.as_dict(time.time()))
    else:
        print_rows(("", ""), found.rows(time.time()))
    if found.market_data is False:
        raise NoMarketData(
            "The session lasts, and has no market data",
            why="the app's plan doesn't include any",
            hint="the Connect plan does: developers.kite.trade",
        )


def _nobody() -> AuthError:
    return AuthError("Nobody is logged in", why="sessions end every morning at 06:00 IST", hint="kite auth login")


def _none_runs() -> Ready:
    raise AuthError(
        "No simulated exchange is running", why="a session ends with it", hint="kite feed --daemon --sim starts one"
    )
