"""The control protocol: what clients and a gateway say to each other. Sans I/O; docs/control-socket.md has the tables.

JSON objects, one a line, at most ``LINE_BYTES`` long::

    client   {"v":1,"id":7,"do":"subscribe","modes":{"full":[408065,738561]}}
    gateway  {"v":1,"id":7,"ok":true,"result":{"instruments":2}}
             {"v":1,"id":7,"ok":false,"error":{"error":"too-many-instruments","what":…,"why":…,"hint":…,"exit_code":5}}
             {"v":1,"event":"connection","connection":0,"state":"live","since_ns":…}

Instruments stand under their mode, not each beside its own: half the bytes, and a third of the time to read them.
Fields that a side doesn't know are passed over; a change of meaning would raise the version. Nothing of a refused line
is quoted back: a token may stand in it.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from kitecli.errors import FeedError, KiteError, UsageError
from kitecli.feed.subscriptions import check_wish, check_wishes
from kitecli.gateway.spec import FLOOR_BYTES, GatewayEvent, RecordPlan
from kitecli.market.modes import MODES
from kitecli.secret import Secret

VERSION: Final = 1
LINE_BYTES: Final = 1 << 20
"""9,000 instruments take 100 kB."""
NAME_LETTERS: Final = 80
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=str)  # made once: a third of a short answer's time
TOKEN_LETTERS: Final = 4096
LEVELS: Final = ("process", "power")
LONGEST_FLUSH_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is there: the first request. ``token``: what the card says, over TCP only.

    An ``observer`` only looks: no gateway goes on for its sake. ``daemon``: from now on it goes on without clients.
    """

    client: str
    pid: int
    observer: bool = False
    daemon: bool = False
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Hold instruments. ``keep``: the gateway holds them itself, whoever leaves.

    ``groups``: those among them that keep other hours than their segment, under the calendar's word for them.
    """

    modes: dict[int, str]
    keep: bool = False
    groups: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What moves with every tick."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Outages with a number above ``after``, as many as fit one answer."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class AccessToken:
    access_token: Secret


@dataclass(frozen=True, slots=True)
class Record:
    """Record everything received from now on; the event "recording" tells what became of it."""

    plan: RecordPlan


@dataclass(frozen=True, slots=True)
class Unrecord:
    """Record no longer for this client; the event tells when all is on disk, unless others want it to go on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the gateway, for all its clients."""


@dataclass(frozen=True, slots=True)
class Bye:
    """Leave, and be told whether the gateway ends by it."""


Request: TypeAlias = (
    Hello | Subscribe | Unsubscribe | Status | Stats | Gaps | AccessToken | Record | Unrecord | Stop | Bye
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the number its answer is to carry; or why it can't be done."""

    id: int
    request: Request | KiteError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway says to request ``id``; None where it couldn't make out the number."""

    id: int | None
    result: object = None
    error: dict[str, str | int] | None = None


def parse_request(line: bytes) -> Asked:
    """One line from a client.

    Raises :class:`FeedError` where it is no request at all: who sends such a thing may mean somebody else.
    """
    plain = _object(line)
    number = plain.get("id")
    if type(number) is not int:
        raise _no_request("it has no number to be answered under")
    if (version := plain.get("v")) != VERSION:
        return Asked(number, _foreign(version))
    parse = _PARSERS.get(do) if isinstance(do := plain.get("do"), str) else None
    if parse is None:
        return Asked(number, _unknown())
    try:
        return Asked(number, parse(plain))
    except KiteError as refusal:
        return Asked(number, refusal)


def request_line(number: int, request: Request) -> bytes:
    """Secrets stand in it: for the socket only."""
    return _line({"v": VERSION, "id": number, "do": _NAMES[type(request)], **_fields(request)})


def answer_line(number: int | None, result: object) -> bytes:
    return _line({"v": VERSION, "id": number, "ok": True, "result": result})


def refusal_line(number: int | None, error: KiteError) -> bytes:
    return _line({"v": VERSION, "id": number, "ok": False, "error": error.as_dict()})


def event_line(event: GatewayEvent) -> bytes:
    """Fields that say nothing are left out."""
    said = {name: getattr(event, name) for name in _EVENT_FIELDS}
    told = {name: value for name, value in said.items() if value not in (None, "", {})}
    return _line({"v": VERSION, "event": event.kind, **told})


def parse_said(line: bytes) -> Answer | GatewayEvent:
    """One line from a gateway. Raises :class:`FeedError` where it is of another version or no message at all."""
    plain = _object(line)
    if plain.get("v") != VERSION:
        raise _foreign(plain.get("v"))
    if "event" in plain:
        known = {name: plain[name] for name in _EVENT_FIELDS if name in plain}
        return GatewayEvent(plain["event"], **known)
    return Answer(plain.get("id"), plain.get("result"), plain.get("error"))


def by_mode(modes: Mapping[int, str]) -> dict[str, list[int]]:
    """Token → mode, turned round. Raises :class:`SubscriptionError` where a token isn't even a number."""
    table: dict[str, list[int]] = {}
    for token, mode in modes.items():
        table.setdefault(mode, []).append(_number(token))
    return table


def numbers(tokens: Iterable[int]) -> tuple[int, ...]:
    """Plain numbers of whatever counts as one, NumPy's too. Raises :class:`SubscriptionError`."""
    return tuple(_number(token) for token in tokens)


def _object(line: bytes) -> dict[str, Any]:  # Any: JSON
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):  # RecursionError: a thousand brackets
        raise _no_request("it is no JSON") from None
    if not isinstance(plain, dict):
        raise _no_request("it is no JSON object")
    return plain


def _fields(request: Request) -> dict[str, object]:
    said: dict[str, object] = {entry.name: getattr(request, entry.name) for entry in fields(request)}
    if isinstance(request, Subscribe):
        said["modes"] = by_mode(request.modes)
    if isinstance(request, Record):
        return asdict(request.plan)
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in said.items()}


def _line(plain: object) -> bytes:
    return _ENCODER.encode(plain).encode() + b"\n"


def _hello(plain: dict[str, object]) -> Hello:
    token = plain.get("token")
    return Hello(
        _printable(_text(plain, "client", "")),
        _whole(plain, "pid", 0),
        _flag(plain, "observer"),
        _flag(plain, "daemon"),
        Secret(_text(plain, "token", "")) if token is not None else None,
    )


def _subscribe(plain: dict[str, object]) -> Subscribe:
    table = plain.get("modes")
    if not isinstance(table, dict):
        raise _bad_field("modes", "an object of lists: {'full': [408065]}")
    modes: dict[int, str] = {}
    for mode in sorted(table, key=_rank):  # least first: an instrument that stands twice is held in the higher
        modes.update(dict.fromkeys(_keys(_list(table[mode])), mode[:NAME_LETTERS]))
    check_wishes(modes)
    return Subscribe(modes, _flag(plain, "keep"), _groups(plain.get("groups", {})))


def _groups(table: object) -> dict[str, list[int]]:
    if not isinstance(table, dict):
        raise _bad_field("groups", "an object of lists: {'cas': [408065]}")
    return {group: _tokens(members) for group, members in table.items()}


def _unsubscribe(plain: dict[str, object]) -> Unsubscribe:
    return Unsubscribe(tuple(_tokens(plain.get("tokens"))))


def _tokens(found: object) -> list[int]:
    tokens = _list(found)
    if not all(type(token) is int for token in tokens):
        raise _bad_field("tokens", "a list of instrument tokens")
    return tokens


def _gaps(plain: dict[str, object]) -> Gaps:
    return Gaps(_whole(plain, "after", 0))


def _access_token(plain: dict[str, object]) -> AccessToken:
    token = _text(plain, "access_token", "")
    if not token or not token.isprintable():
        raise _bad_field("access_token", "the token as the login gave it")
    return AccessToken(Secret(token))


def _record(plain: dict[str, object]) -> Record:
    level, flush_s = _text(plain, "level", "power"), plain.get("flush_s", 1.0)
    if level not in LEVELS:
        raise _bad_field("level", f"one of {', '.join(LEVELS)}")
    if isinstance(flush_s, bool) or not isinstance(flush_s, int | float) or not 0 <= flush_s <= LONGEST_FLUSH_S:
        raise _bad_field("flush_s", f"a number of seconds, {LONGEST_FLUSH_S:g} at most")
    store = _text(plain, "store", "")
    if not Path(store).is_absolute():  # ours is another working folder than the client's
        raise _bad_field("store", "the path of a folder, from the root")
    floor_bytes = _whole(plain, "floor_bytes", FLOOR_BYTES)
    masters, seal = _text(plain, "masters", ""), _flag(plain, "seal")
    return Record(RecordPlan(store, level, float(flush_s), masters, floor_bytes, seal))


def _list(found: object) -> list[Any]:  # Any: JSON
    if not isinstance(found, list):
        raise _bad_field("tokens", "a list of instrument tokens")
    return found


def _rank(mode: str) -> int:
    return MODES.index(mode) if mode in MODES else len(MODES)


def _keys(tokens: list[Any]) -> list[Any]:  # Any: JSON
    """The tokens, what isn't one as an error may quote it: as keys, 7.0 and True would pass for 7 and 1."""
    return tokens if set(map(type, tokens)) <= {int} else list(map(_quoted, tokens))


def _quoted(token: Any) -> Any:
    return token if type(token) is int else str(token)[:NAME_LETTERS]


def _number(token: object) -> int:
    try:
        return operator.index(token)  # type: ignore[arg-type]  # whether it is one is the question
    except TypeError:
        check_wish(_quoted(token), MODES[0])
        raise


def _text(plain: dict[str, object], name: str, default: str) -> str:
    found = plain.get(name, default)
    if not isinstance(found, str) or len(found) > TOKEN_LETTERS:
        raise _bad_field(name, "a string")
    return found


def _whole(plain: dict[str, object], name: str, default: int) -> int:
    found = plain.get(name, default)
    if type(found) is not int or not 0 <= found < 1 << 63:
        raise _bad_field(name, "a whole number")
    return found


def _flag(plain: dict[str, object], name: str) -> bool:
    found = plain.get(name, False)
    if not isinstance(found, bool):
        raise _bad_field(name, "true or false")
    return found


def _printable(name: str) -> str:
    """A client's name goes to terminals: nothing that could steer one."""
    return "".join(letter for letter in name if letter.isprintable())[:NAME_LETTERS]


def _no_request(why: str) -> FeedError:
    return FeedError("That is no request to a gateway", why=why, hint="see docs/control-socket.md")


def _bad_field(name: str, wanted: str) -> UsageError:
    return UsageError(f"The request's field {name!r} can't be used", why=f"it has to be {wanted}")


def _unknown() -> UsageError:
    return UsageError("The gateway doesn't know this request", why=f"it knows {', '.join(_PARSERS)}")


def _foreign(version: object) -> FeedError:
    said = f"version {version}" if isinstance(version, int) else "no version that can be made out"
    return FeedError(
        "The feed process and its client are of different versions of kite",
        why=f"the control protocol here is version {VERSION}, the other side says {said}",
        hint="run them from the same installation; end the running feed by its own kite stop",
    )


_PARSERS: Final[dict[str, Callable[[dict[str, object]], Request]]] = {
    "hello": _hello,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "status": lambda _: Status(),
    "stats": lambda _: Stats(),
    "gaps": _gaps,
    "access_token": _access_token,
    "record": _record,
    "unrecord": lambda _: Unrecord(),
    "stop": lambda _: Stop(),
    "bye": lambda _: Bye(),
}
_NAMES: Final[dict[type, str]] = {
    Hello: "hello",
    Subscribe: "subscribe",
    Unsubscribe: "unsubscribe",
    Status: "status",
    Stats: "stats",
    Gaps: "gaps",
    AccessToken: "access_token",
    Record: "record",
    Unrecord: "unrecord",
    Stop: "stop",
    Bye: "bye",
}
_EVENT_FIELDS: Final = tuple(entry.name for entry in fields(GatewayEvent) if entry.name != "kind")
