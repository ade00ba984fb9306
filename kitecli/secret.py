"""A string that never shows itself: not in ``repr``, ``str``, ``format``, a traceback's locals, a log or a pickle."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NoReturn
from weakref import WeakValueDictionary

MASK: Final = "********"

CREDENTIALS: Final = ("api_key", "api_secret", "user_id", "password", "totp_secret")
"""What a login at the broker can need; the day's access token comes out of one."""

ALERTING: Final = ("telegram_token", "webhook_url")
"""What alerts are sent with: a bot's token, and an address that lets whoever knows it write there."""

VARIABLES_OF_SECRETS: Final = tuple(f"KITE_{name.upper()}" for name in (*CREDENTIALS, "access_token", *ALERTING))
"""The environment variables that hold a secret."""

# Shorter ones stand in ordinary words, which redaction would make unreadable; the broker's shortest, a user_id, has 6.
_REDACTED_LENGTH: Final = 6


def wipe(buffer: bytearray) -> None:
    """Overwrite it where it stands."""
    buffer[:] = bytes(len(buffer))


def is_text(content: bytearray) -> bool:
    """Whether it is UTF-8, as a :class:`Secret` has to be."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


class Secret:
    """Wraps a secret; :meth:`reveal` and :meth:`view` are the ways to read it, so that every use can be searched for.

    It is kept in a buffer that :meth:`wipe` overwrites. A ``bytearray`` of UTF-8 is taken over, not copied; of a
    ``str`` Python keeps what it likes.
    """

    __slots__ = ("__weakref__", "_bytes")

    def __init__(self, value: str | bytearray) -> None:
        # A variable of the environment may hold bytes that are no UTF-8; Python hands them over as surrogates.
        self._bytes = bytearray(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else value
        _alive[id(self)] = self

    def reveal(self) -> str:
        return self._bytes.decode("utf-8", "surrogatepass")

    def view(self) -> memoryview:
        """Its UTF-8 where it stands: no copy that nobody could overwrite."""
        return memoryview(self._bytes)

    def wipe(self) -> None:
        """Overwrite it; from then on it is empty."""
        wipe(self._bytes)
        self._bytes = bytearray()

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(other._bytes, self._bytes)

    def __hash__(self) -> int:
        return hash((Secret, bytes(self._bytes)))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled; hand it over by a pipe, deliberately")


_alive: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def cleaned(value: Secret) -> Secret:
    """A credential that comes from outside, without the white space around it that a file or a paste brings.

    Raises :class:`ValueError`, which quotes nothing of it: a line break would end the header or the line it is put
    into, and what can't be seen nobody finds when the broker refuses it.
    """
    content = value.view().tobytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("it isn't UTF-8") from None
    bare = text.strip()
    if not bare.isprintable():
        raise ValueError("a line break or another character that can't be seen is in it")
    return value if bare == text else Secret(bare)


def redacted(text: str, *others: str) -> str:
    """``text`` with each secret that this process holds masked, and ``others``, whatever name they stand behind."""
    return redactor(*others)(text)


def redactor(*others: str) -> Callable[[str], str]:
    """:func:`redacted` for several texts, by the secrets of now: to collect them takes most of its time."""
    found = {*others, *(secret.reveal() for secret in list(_alive.values()))}
    # A URL goes whole, before the token in it.
    values = sorted({form for value in found for form in _forms(value)}, key=len, reverse=True)

    def masked(text: str) -> str:
        for value in values:
            text = text.replace(value, MASK)
        return text

    return masked


def _forms(value: str) -> Iterator[str]:
    """A value as it is, and as errors of other packages and JSON show one that has quotes or line breaks."""
    in_bytes = repr(value.encode("utf-8", "surrogatepass"))[2:-1]
    forms = value, value.strip(), repr(value)[1:-1], in_bytes, json.dumps(value)[1:-1]
    return (form for form in forms if len(form) >= _REDACTED_LENGTH)


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a child process: what a child needs to know, it is told through a pipe."""
    return {name: value for name, value in environ.items() if name not in VARIABLES_OF_SECRETS}
