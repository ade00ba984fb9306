"""What a setting's value may be. Every layer hands over text, so a file, a variable and a flag obey the same rules.

YAML's own typing is not used: it reads ``15:30:00`` as 55,800 and ``no`` as False.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from kitecli.bars.intervals import MAX_SERIES, Interval
from kitecli.errors import UsageError
from kitecli.secret import Secret, cleaned

Value = bool | int | float | str | time | Secret | tuple[str, ...] | None

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_NOTHING: Final = frozenset({"", "null", "~", "none"})
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_AROUND: Final = " '\"{}[]()"
_WORD: Final = re.compile(r"[^\s,;'\"()\[\]]+")


class Kind(Protocol):
    """Reads one kind of value. ``parse`` raises :class:`ValueError`; ``expects`` completes "it must be …"."""

    @property
    def expects(self) -> str: ...

    def parse(self, text: str) -> Value: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``low`` to ``high``; ``1_000_000`` is read too."""

    low: int
    high: int

    @property
    def expects(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str) -> int:
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError(text)
        return number


@dataclass(frozen=True, slots=True)
class Fraction:
    """A number above 0 and at most 1."""

    @property
    def expects(self) -> str:
        return "a number above 0 and at most 1 (0.02 is 2 %)"

    def parse(self, text: str) -> float:
        number = float(text)
        if not 0 < number <= 1:
            raise ValueError(text)
        return number


@dataclass(frozen=True, slots=True)
class Seconds:
    """A number of seconds from 0 to ``high``; ``1.5`` is read too."""

    high: float

    @property
    def expects(self) -> str:
        return f"a number of seconds from 0 to {self.high:g}"

    def parse(self, text: str) -> float:
        number = float(text)
        if not 0 <= number <= self.high:
            raise ValueError(text)
        return number


@dataclass(frozen=True, slots=True)
class Intervals:
    """What bars span, as ``[1m, 15m, day]``; none twice. One place of a feed's series is the aggregation interval's."""

    most: int = MAX_SERIES - 1

    @property
    def expects(self) -> str:
        return f"a list of up to {self.most} intervals as [100ms, 5s, 1m, 15m, 1h, day, 500t, 10000v]"

    def parse(self, text: str) -> tuple[str, ...]:
        words = [] if text.lower() in _NOTHING else _WORD.findall(text)
        try:
            names = tuple(dict.fromkeys(str(Interval.parse(word)) for word in words))
        except UsageError:
            raise ValueError(text) from None
        if len(names) > self.most:
            raise ValueError(text)
        return names


@dataclass(frozen=True, slots=True)
class Addresses:
    """IP addresses, as ``[203.0.113.7, 2001:db8::7]``; none twice."""

    @property
    def expects(self) -> str:
        return "a list of IP addresses as [203.0.113.7, 2001:db8::7]"

    def parse(self, text: str) -> tuple[str, ...]:
        words = [] if text.lower() in _NOTHING else _WORD.findall(text)
        return tuple(dict.fromkeys(str(ip_address(word)) for word in words))


@dataclass(frozen=True, slots=True)
class Switch:
    """true or false."""

    @property
    def expects(self) -> str:
        return "true or false"

    def parse(self, text: str) -> bool:
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(text)
        return word in _TRUE


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expects(self) -> str:
        return self.words[0] if len(self.words) == 1 else "one of " + ", ".join(self.words)

    def parse(self, text: str) -> str:
        word = text.lower()
        if word not in self.words:
            raise ValueError(text)
        return word


@dataclass(frozen=True, slots=True)
class Words:
    """Some of a few words, as ``[telegram, webhook]``; none twice."""

    words: tuple[str, ...]

    @property
    def expects(self) -> str:
        return "a list of " + ", ".join(self.words)

    def parse(self, text: str) -> tuple[str, ...]:
        found = [] if text.lower() in _NOTHING else _WORD.findall(text.lower())
        if set(found) - set(self.words):
            raise ValueError(text)
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Pairs:
    """A word of ``values`` for some of ``names``, as ``{feed: debug, sim: warning}``."""

    names: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def expects(self) -> str:
        return f"{{NAME: VALUE}}, of {', '.join(self.names)} and {', '.join(self.values)}"

    def parse(self, text: str) -> tuple[str, ...]:
        pairs: dict[str, str] = {}
        for part in filter(None, (part.strip(_AROUND) for part in text.lower().split(","))):
            name, colon, value = (word.strip(_AROUND) for word in part.partition(":"))
            if not colon or name in pairs or name not in self.names or value not in self.values:
                raise ValueError(text)
            pairs[name] = value
        return tuple(f"{name}: {value}" for name, value in pairs.items())


@dataclass(frozen=True, slots=True)
class Word:
    """Some text without a blank, or nothing."""

    @property
    def expects(self) -> str:
        return "some text without a blank"

    def parse(self, text: str) -> str | None:
        if text.lower() in _NOTHING:
            return None
        if len(text.split()) != 1:
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of the day in India."""

    @property
    def expects(self) -> str:
        return 'a time of the day as "09:15:00"'

    def parse(self, text: str) -> time:
        moment = time.fromisoformat(text)
        if moment.tzinfo is not None or ":" not in text:
            raise ValueError(text)
        return moment


@dataclass(frozen=True, slots=True)
class Root:
    """A server's address, or nothing. Without TLS only on this machine: the access token travels in it.

    Paths and the token are put behind it, so nothing may stand there: a ``#`` would keep all of them from being sent.
    """

    tls: str
    plain: str

    @property
    def expects(self) -> str:
        forms = f"{self.tls}://host, or {self.plain}://127.0.0.1:PORT on this machine"
        return f"an address as {forms}; no user, query or fragment"

    def parse(self, text: str) -> str | None:
        if text.lower() in _NOTHING:
            return None
        parts = urlsplit(text)
        if parts.port == 0:  # raises ValueError for one there can't be
            raise ValueError(text)
        secure = parts.scheme == self.tls or (parts.scheme == self.plain and _is_loopback(parts.hostname or ""))
        if not (secure and parts.hostname) or set(text) & set("@?#"):
            raise ValueError(text)
        return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class FileName:
    """The path of a file, or nothing; ``~`` is the user's folder."""

    @property
    def expects(self) -> str:
        return "the path of a file"

    def parse(self, text: str) -> str | None:
        return None if text.lower() in _NOTHING else str(Path(text).expanduser())


@dataclass(frozen=True, slots=True)
class FolderName:
    """A folder's path from the root, or nothing; ``~`` is the user's. A feed's process has another working folder."""

    @property
    def expects(self) -> str:
        return "the path of a folder from the root, or from ~"

    def parse(self, text: str) -> str | None:
        if text.lower() in _NOTHING:
            return None
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise ValueError(text)
        return str(path)


@dataclass(frozen=True, slots=True)
class Account:
    """The name of an account's vault, or nothing."""

    @property
    def expects(self) -> str:
        return "a name of small letters, digits and hyphens"

    def parse(self, text: str) -> str | None:
        if text.lower() in _NOTHING:
            return None
        if not _ACCOUNT.fullmatch(text):
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret: a line of text, never shown. Its error says what is wrong with it, and quotes nothing."""

    @property
    def expects(self) -> str:
        return "a line of text"

    def parse(self, text: str) -> Secret | None:
        return cleaned(Secret(text)) or None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
