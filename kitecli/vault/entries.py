"""What a vault holds, as bytes: long-lived credentials, and apart from them the day's access token with its end.

::

    entry, repeated      1  k, length of the name
                         k  name, ASCII
                         8  until: seconds since 1970 at which it ends, 0: never. Signed
                         2  v, length of the value
                         v  value, UTF-8; of the access token: user_id, a line feed, the token
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class, and named badly
from typing import Final

from kitecli.clock import ist
from kitecli.errors import UsageError
from kitecli.secret import ALERTING, CREDENTIALS, Secret, cleaned, wipe
from kitecli.vault.layout import BODY_BYTES_MAX, TAG_BYTES, damaged

TOKEN: Final = "access_token"  # noqa: S105 - its name
_MIDDLE: Final = Struct("<qH")
VALUE_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A session at the broker: whose, its token, and until when. ``until`` is aware of its zone."""

    user_id: str
    value: Secret
    until: datetime


@dataclass(slots=True)
class Entry:
    """``until_s``: seconds since 1970; 0: it doesn't end."""

    value: bytearray
    until_s: int = 0


class Entries:
    """A vault's content in the open. To be wiped as soon as it was used."""

    def __init__(self, content: bytearray | None = None) -> None:
        """``content``: as unsealed; taken over and wiped. Raises :class:`VaultDamaged` where it isn't entries."""
        self._by_name: dict[str, Entry] = dict(_read(content)) if content else {}
        if content:
            wipe(content)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def get(self, name: str) -> Secret | None:
        """A copy of a credential. Raises :class:`UsageError` for a name there can't be."""
        entry = self._by_name.get(_credential(name))
        return Secret(bytearray(entry.value)) if entry else None

    def set(self, name: str, value: Secret) -> None:
        """Raises :class:`UsageError` for a name there can't be, or a value that is none, too long or no line."""
        self._put(_credential(name), Entry(_line(name, value)))

    def remove(self, name: str) -> None:
        if entry := self._by_name.pop(name, None):
            wipe(entry.value)

    def token(self) -> AccessToken | None:
        entry = self._by_name.get(TOKEN)
        if entry is None:
            return None
        user_id, _, value = entry.value.partition(b"\n")
        return AccessToken(user_id.decode(), Secret(value), ist(entry.until_s))

    def set_token(self, token: AccessToken) -> None:
        """Raises :class:`UsageError` for an end without a zone, which is no moment, and as :meth:`set`."""
        if token.until.tzinfo is None:
            raise UsageError(f"{token.until} has no time zone", hint="give an aware datetime")
        value = bytearray(token.user_id.encode()) + b"\n" + _line(TOKEN, token.value)
        self._put(TOKEN, Entry(value, int(token.until.timestamp())))

    def ended(self, now_s: float) -> list[str]:
        """The names of entries that have come to their end."""
        return [name for name, entry in self._by_name.items() if 0 < entry.until_s <= now_s]

    def to_bytes(self) -> bytearray:
        """Raises :class:`UsageError` where it is more than a vault takes."""
        content = bytearray()
        for name, entry in self._by_name.items():
            content += bytes([len(name)]) + name.encode() + _MIDDLE.pack(entry.until_s, len(entry.value)) + entry.value
        if len(content) > BODY_BYTES_MAX - TAG_BYTES:
            raise UsageError("That is more than a vault takes", why=f"it holds {BODY_BYTES_MAX:,} bytes")
        return content

    def wipe(self) -> None:
        for entry in self._by_name.values():
            wipe(entry.value)
        self._by_name.clear()

    def _put(self, name: str, entry: Entry) -> None:
        if not 0 < len(entry.value) <= VALUE_BYTES_MAX:
            raise UsageError(
                f"No {name} has {len(entry.value):,} bytes", hint=f"give it 1 to {VALUE_BYTES_MAX:,}, or remove it"
            )
        self.remove(name)
        self._by_name[name] = entry


def _credential(name: str) -> str:
    if name in (*CREDENTIALS, *ALERTING):
        return name
    raise UsageError(f"There is no credential {name!r}", hint="the names are " + ", ".join((*CREDENTIALS, *ALERTING)))


def _line(name: str, value: Secret) -> bytearray:
    try:
        return bytearray(cleaned(value).view())
    except ValueError as error:
        hint = "give it as one line of UTF-8"
        raise UsageError(f"This {name} can't be kept", why=str(error), hint=hint) from None


def _read(content: bytearray) -> Iterator[tuple[str, Entry]]:
    at = 0
    try:
        while at < len(content):
            name_ends = at + 1 + content[at]
            until_s, length = _MIDDLE.unpack_from(content, name_ends)
            begin = name_ends + _MIDDLE.size
            if begin + length > len(content):
                raise damaged("an entry is longer than the body")
            yield content[at + 1 : name_ends].decode("ascii"), Entry(content[begin : begin + length], until_s)
            at = begin + length
    except (StructError, UnicodeDecodeError) as error:
        raise damaged("its body isn't made of entries") from error
