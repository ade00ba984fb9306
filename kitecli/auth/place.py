"""Where one logs in and where the session is kept: the configured environment, or a simulated exchange."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitecli.errors import EnvironmentProblem
from kitecli.ring.location import runtime_dir
from kitecli.secret import Secret
from kitecli.session import DaySession, newest_session, session_path
from kitecli.settings.endpoints import load_endpoints
from kitecli.settings.schema import KiteSettings

if TYPE_CHECKING:
    from kitecli.sim.options import Ready

SIMULATED = "simulated"
"""The account of all exchanges on this machine."""


@dataclass(frozen=True, slots=True)
class LoginPlace:
    """``redirect_url``: as registered for the app. ``folder``: the runtime folder; ``account``: names the session."""

    account: str
    api_root: str
    login_url: str
    redirect_url: str | None
    folder: Path
    route_prefix: str = ""

    def session_file(self, api_key: str) -> Path:
        return session_path(self.folder, self.account, self.api_root, api_key)

    def session(self, api_key: Secret | None, now_s: float) -> DaySession | None:
        """The session that lasts: of this app, or of whichever was logged in last."""
        found = newest_session(self.folder, self.account, self.api_root, now_s)
        return found if found and (api_key is None or api_key.reveal() == found.api_key) else None


def place_of(kite: KiteSettings) -> LoginPlace:
    """The configured environment. Raises :class:`EnvironmentProblem` where there is no runtime folder."""
    ends = load_endpoints(kite)
    return LoginPlace(kite.vault, ends.api_root, ends.login_url, kite.redirect_url, runtime_dir(), ends.route_prefix)


def place_at(ready: Ready) -> LoginPlace:
    """An exchange's login, at the redirect URL that is registered there. Raises as :func:`place_of`."""
    return LoginPlace(SIMULATED, ready.api_url, ready.login_url, ready.redirect_url, runtime_dir())


def todays_session(kite: KiteSettings, now_s: float) -> DaySession | None:
    """The session of the latest login, unless it is of another app than ``kite.api_key``."""
    try:
        return place_of(kite).session(kite.api_key, now_s)
    except EnvironmentProblem:  # nowhere to keep one; who needs the folder itself will say so
        return None
