"""Every error a user can meet, in one tree. This module imports nothing of ours, so any file may import it.

::

    KiteError                       exit 1
    ├── UsageError                  exit 2   the command line was wrong: correct it
    ├── ConfigError                 exit 3   a setting is wrong: correct the file, variable or flag it names
    ├── AuthError                   exit 4   log in again
    │   ├── HandshakeForbidden               HTTP 403 on the websocket upgrade
    │   ├── PasswordRefused         exit 41  the broker refused user or password
    │   ├── CodeRefused             exit 42  the broker refused the authenticator's code
    │   ├── RequestTokenRefused     exit 43  the login's request token was used before, or is too old
    │   ├── ChecksumRefused         exit 44  the api_secret isn't the app's
    │   ├── UserNotLinked           exit 45  the app isn't open to this user
    │   ├── LoginHeldBack           exit 47  not tried, because the last try was refused
    │   ├── NoVault                          no credentials are kept here
    │   ├── WrongPassword                    of the vault, or the vault's header was altered
    │   └── TooManyTries                     of the vault's password: wait
    ├── FeedError                   exit 5   the market-data connection
    │   ├── SubscriptionError                an instrument the feed can't take
    │   │   ├── UnknownInstrument
    │   │   └── TooManyInstruments
    │   ├── GatewayGone                      the feed process was stopped, or died
    │   ├── NoFeed                           none is running, or none of that name
    │   ├── HandshakeRateLimited             HTTP 429: too many connections of this api_key
    │   ├── HandshakeBadRequest              HTTP 400: parameters missing or garbled
    │   └── ConnectionFailed                 DNS, TCP, a connection cut, or a server that is no ticker
    │       ├── ConnectionStale              open, and silent for longer than a heartbeat can be late
    │       └── CertificateRefused           TLS: the server can't prove who it is
    ├── DataError                   exit 6   a file or a recording can't be read
    │   ├── VaultDamaged                     bytes of the vault aren't what they were, whatever the password
    │   ├── RecordingDamaged                 bytes that were written aren't what they were
    │   ├── RecordingHeld                    another process records there
    │   ├── OutsideCalendar                  a day the market's calendar has no data for
    │   └── HoursUnknown                     a day that trades at hours nobody has published
    ├── BrokerError                 exit 7   the broker's REST interface answered with an error
    │   ├── NoMarketData            exit 46  the app's plan has none
    │   └── BrokerUnavailable                it may work in a moment: no network, HTTP 429 or 5xx, an answer cut short
    └── EnvironmentProblem          exit 8   this machine lacks something: a package, memory, a compiler

An error says what happened (``what``), why (``why``) and what to do next (``hint``). ``reference`` is a stable
kebab-case name that documentation and ``--json`` use. Exit codes are documented in docs/cli.md.
"""

from __future__ import annotations

from typing import ClassVar


class KiteError(Exception):
    """Something the user can understand and act on."""

    exit_code: ClassVar[int] = 1
    reference: ClassVar[str] = "error"

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return ". ".join(part.rstrip(".") for part in (self.what, self.why, self.hint) if part)

    def as_dict(self) -> dict[str, str | int]:
        """What ``--json`` prints on failure."""
        return {
            "error": self.reference,
            "what": self.what,
            "why": self.why,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class UsageError(KiteError):
    exit_code = 2
    reference = "usage"


class ConfigError(KiteError):
    exit_code = 3
    reference = "config"


class AuthError(KiteError):
    exit_code = 4
    reference = "auth"


class HandshakeForbidden(AuthError):
    reference = "handshake-forbidden"


class PasswordRefused(AuthError):
    exit_code = 41
    reference = "password-refused"


class CodeRefused(AuthError):
    exit_code = 42
    reference = "code-refused"


class RequestTokenRefused(AuthError):
    exit_code = 43
    reference = "request-token-refused"


class ChecksumRefused(AuthError):
    exit_code = 44
    reference = "checksum-refused"


class UserNotLinked(AuthError):
    exit_code = 45
    reference = "user-not-linked"


class LoginHeldBack(AuthError):
    exit_code = 47
    reference = "login-held-back"


class NoVault(AuthError):
    reference = "no-vault"


class WrongPassword(AuthError):
    reference = "wrong-password"


class TooManyTries(AuthError):
    reference = "too-many-tries"


class FeedError(KiteError):
    exit_code = 5
    reference = "feed"


class SubscriptionError(FeedError):
    reference = "subscription"


class UnknownInstrument(SubscriptionError):
    reference = "unknown-instrument"


class TooManyInstruments(SubscriptionError):
    reference = "too-many-instruments"


class GatewayGone(FeedError):
    reference = "gateway-gone"


class NoFeed(FeedError):
    reference = "no-feed"


class HandshakeRateLimited(FeedError):
    reference = "handshake-rate-limited"


class HandshakeBadRequest(FeedError):
    reference = "handshake-bad-request"


class ConnectionFailed(FeedError):
    reference = "connection-failed"


class ConnectionStale(ConnectionFailed):
    reference = "connection-stale"


class CertificateRefused(ConnectionFailed):
    reference = "certificate-refused"


class DataError(KiteError):
    exit_code = 6
    reference = "data"


class VaultDamaged(DataError):
    reference = "vault-damaged"


class RecordingDamaged(DataError):
    reference = "recording-damaged"


class RecordingHeld(DataError):
    reference = "recording-held"


class OutsideCalendar(DataError):
    reference = "outside-calendar"


class HoursUnknown(DataError):
    reference = "hours-unknown"


class BrokerError(KiteError):
    exit_code = 7
    reference = "broker"


class NoMarketData(BrokerError):
    exit_code = 46
    reference = "no-market-data"


class BrokerUnavailable(BrokerError):
    reference = "broker-unavailable"


class EnvironmentProblem(KiteError):
    exit_code = 8
    reference = "environment"
