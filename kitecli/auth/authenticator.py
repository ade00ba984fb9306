"""The login as one object: the session there is, a new one, its end."""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kitecli.auth.hold import Hold
from kitecli.auth.keys import AccountKeys, GivenKeys, Keys, needed
from kitecli.auth.place import SIMULATED, LoginPlace, place_of
from kitecli.auth.steps import is_loopback, page_url
from kitecli.auth.ways import Say, Way, by_browser, by_paste, by_totp
from kitecli.errors import AuthError, BrokerError, KiteError, UsageError
from kitecli.folders import data_dir
from kitecli.logs import logger
from kitecli.ring.location import runtime_dir
from kitecli.secret import Secret
from kitecli.session import DaySession, write_session

if TYPE_CHECKING:
    from kitecli.broker.rest import BrokerSession
    from kitecli.settings import Settings
    from kitecli.sim.options import Ready

LOG: Final = logger("kitecli.auth")
WAYS: Final = ("browser", "paste", "totp")


class KiteAuthenticator:
    """Logs in once a day, and knows the session that lasts.

    ::

        auth = KiteAuthenticator()
        if auth.authenticate():
            token = auth.get_access_token()

    ``way``: browser, paste or totp. Without one it is totp where the credentials hold password and totp_secret, whose
    owner so has chosen it; else the browser. Where no browser can be opened, it is paste instead. ``simulated``: a
    simulated exchange to log in at, as ``SimProcess.ready``. ``draw``: shows the page's address as a picture, too.
    """

    def __init__(
        self,
        way: str | None = None,
        *,
        settings: Settings | None = None,
        simulated: Ready | None = None,
        say: Say | None = None,
        draw: Say = lambda _: None,
        retry: bool = False,
    ) -> None:
        """Raises :class:`UsageError` for another way, :class:`ConfigError` for a wrong setting."""
        if way not in (None, *WAYS):
            raise UsageError(f"There is no way {way!r} to log in", hint=f"the ways are {', '.join(WAYS)}")
        self._wanted = way
        self._say = say or (lambda text: print(text, file=sys.stderr))  # noqa: T201 - people read it, not programs
        self._draw = draw
        self._retry = retry
        self.place, self.keys = _simulated(simulated) if simulated else _configured(settings)

    def authenticate(self) -> bool:
        """Whether there is a session now. What failed is logged as ``kitecli.auth``, without secrets."""
        try:
            self.login()
        except KiteError as failure:
            LOG.error("The login failed: %s", failure)  # noqa: TRY400 - the traceback is no help to who logs in
            return False
        return True

    def login(self, *, again: bool = False) -> DaySession:
        """The session that lasts, or a new one; ``again``: a new one in any case, which ends the one before.

        :raises AuthError: no credentials, or the broker refuses them; its kinds tell why. :raises BrokerError: another
            refusal. :raises BrokerUnavailable: no answer. :raises EnvironmentProblem: the port, or the clock.
        """
        found = None if again else self.current()
        if found is not None:
            return found
        api_key, api_secret = needed(self.keys, "api_key"), needed(self.keys, "api_secret")
        nonce = secrets.token_urlsafe(16)
        request_token = self._way()(page_url(self.place.login_url, api_key.reveal(), nonce), nonce)
        return self._begin(api_key, request_token, api_secret)

    def current(self) -> DaySession | None:
        """The session that lasts, by the broker's word: the file's, else the vault's, which is put into the file."""
        session = self.known()
        if session is None:
            return self.restore()
        return session if self.accepted(session) else None

    def restore(self) -> DaySession | None:
        """The vault's session, put where every part of kite looks: the runtime folder forgets at a restart.

        One that the broker knows no more, after a logout that didn't open the vault, is dropped.
        """
        session = self.keys.kept()
        if session is None:
            return None
        with suppress(BrokerError):  # who doesn't answer hasn't ended it; the feed tries again by itself
            if not self.accepted(session):
                self.keys.keep(None)
                return None
        write_session(self.place.session_file(session.api_key), session)
        return session

    def known(self) -> DaySession | None:
        """The session that the file tells of; nobody is asked."""
        return self.place.session(None, time.time())

    def accepted(self, session: DaySession) -> bool:
        """Whether the broker knows the session. Raises :class:`BrokerError` where it doesn't say."""
        from kitecli.broker.rest import profile

        try:
            profile(self.asking(session))
        except AuthError:
            return False
        return True

    def get_access_token(self) -> str | None:
        """The token of the session that lasts; None before a login. Nobody is asked."""
        session = self.known()
        return session.access_token.reveal() if session else None

    def logout(self) -> DaySession:
        """End the session, here and at the broker. Raises :class:`AuthError` where there is none."""
        from kitecli.broker.login import end

        session = self.known()
        if session is None:
            raise AuthError("Nobody is logged in", hint="kite auth status says what kite knows")
        try:
            end(self.asking(session))
        except AuthError:
            LOG.debug("it had ended already")
        self.place.session_file(session.api_key).unlink(missing_ok=True)
        self.keys.keep(None)
        return session

    def asking(self, session: DaySession) -> BrokerSession:
        """REST as this session."""
        from kitecli.broker.rest import BrokerSession

        place = self.place
        return BrokerSession(place.api_root, session.api_key, session.access_token, place.route_prefix)

    def way_of_login(self) -> str:
        """The way a login goes now."""
        from kitecli.auth.browser import has_browser

        if self._wanted in ("paste", "totp"):
            return self._wanted
        if self._wanted is None and self.keys.find("password") and self.keys.find("totp_secret"):
            return "totp"
        redirect = self.place.redirect_url
        return "browser" if redirect and is_loopback(redirect) and has_browser(os.environ, sys.platform) else "paste"

    def _way(self) -> Way:
        way = self.way_of_login()
        if way == "totp":
            hold = Hold(Path(data_dir(), "auth"), needed(self.keys, "user_id"))
            return by_totp(self.keys, hold, self._say, retry=self._retry)
        if way == "paste":
            return by_paste(sys.stdin.readline, self._say, self._draw)
        if self.place.redirect_url is None:
            raise UsageError("kite doesn't know where the login ends", hint="set kite.redirect_url, or use --paste")
        return by_browser(self.place.redirect_url, self._say)

    def _begin(self, api_key: Secret, request_token: Secret, api_secret: Secret) -> DaySession:
        from kitecli.broker.login import exchange
        from kitecli.broker.rest import BrokerSession

        asking = BrokerSession(self.place.api_root, api_key.reveal(), route_prefix=self.place.route_prefix)
        session = exchange(asking, request_token, api_secret, time.time())
        write_session(self.place.session_file(session.api_key), session)
        self.keys.keep(session)
        return session


def _configured(settings: Settings | None) -> tuple[LoginPlace, Keys]:
    from kitecli.settings import load
    from kitecli.settings.endpoints import load_endpoints

    kite = (settings or load()).kite
    return place_of(kite), AccountKeys(kite, load_endpoints(kite).shared_api_key)


def _simulated(ready: Ready) -> tuple[LoginPlace, Keys]:
    """An exchange's login, at the redirect URL that is registered there."""
    place = LoginPlace(SIMULATED, ready.api_url, ready.login_url, ready.redirect_url, runtime_dir())
    names = ("api_key", "api_secret", "user_id", "password", "totp_secret")
    return place, GivenKeys({name: getattr(ready, name) for name in names})
