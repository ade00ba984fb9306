"""A script of faults, from YAML to :class:`~kitecli.sim.faults.kinds.Script`. docs/faults.md is its reference.

Every mistake is told with its line, what would have been right and what to do. What a rule may say is whatever its
reader asks for, so there is no second list of keys to keep in step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar, get_args

from kitecli.errors import ConfigError, UsageError
from kitecli.sim.faults.kinds import (
    BODIES,
    DAMAGES,
    PIECES,
    STAGES,
    STATUSES,
    TLS_FORMS,
    AfterOpen,
    At,
    AtTheDoor,
    Choice,
    CutHandshake,
    Every,
    Fault,
    Fin,
    Freeze,
    HalfOpen,
    Malformed,
    Merge,
    OnFrame,
    OnMessage,
    Refuse,
    Rst,
    Rule,
    Script,
    Silence,
    Slow,
    Split,
    Status,
    Tls,
    What,
    When,
    Where,
)
from kitecli.sim.shipped import shipped_file

if TYPE_CHECKING:
    import yaml

VERSION: Final = 1
MAX_SCRIPT_BYTES: Final = 1024 * 1024
MANUAL: Final = "docs/faults.md has every key with an example"
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_ENTRANCES: Final[dict[str, tuple[Where, ...]]] = {
    "ticker": ("ticker",),
    "rest": ("rest",),
    "both": ("ticker", "rest"),
}

T = TypeVar("T")


def read_script(source: str) -> Script:
    """The script in ``source``: YAML itself (several lines, or one with ``version:``), a file's path, or the name of
    one that comes with kite.

    Raises UsageError for a file that can't be read and ConfigError for what is in it.
    """
    if "\n" in source or source.lstrip("{ ").startswith("version"):
        return parse_script(source, "the script")
    try:
        with _file(source).open(encoding="utf-8") as file:
            text = file.read(MAX_SCRIPT_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"The script {source} can't be read", why=why, hint="Give --faults a YAML file, or bad-day for ours"
        ) from None
    return parse_script(text, source)


def _file(source: str) -> Path:
    if re.fullmatch(r"[a-z-]+", source) and not Path(source).exists():
        with suppress(FileNotFoundError):
            return shipped_file(f"faults-{source}.yaml")
    return Path(source)


def parse_script(text: str, place: str) -> Script:
    """``place``: what errors call the text. Raises ConfigError."""
    top = _Section.of(_root(text, place), place, "the script")
    top.need("version", _one_of((str(VERSION),)))
    seed = top.get("seed", _whole(0), 1)
    tls = top.get("tls", _one_of(("off", *TLS_FORMS)), "off")
    script = Script(seed, None if tls == "off" else tls, tuple(_rule(section) for section in top.sections("rules")))
    top.refuse_others()
    for rule in script.rules:
        if isinstance(rule.fault.what, Tls) and script.tls is None:
            raise top.mistake(
                rule.line,
                "tls can't change on a plain connection",
                why="a rule of this kind exchanges the server behind wss:// and https://",
                hint="Write tls: good at the top of the script",
            )
    return script


def parse_fault(text: str) -> Fault | Rule:
    """A rule without its when, as JSON or YAML: what is to be done now; with after_open, on_message or on_frame: what
    is to happen on connections opened from now on, on the first that comes to it unless ``times`` says more.

    Raises ConfigError.
    """
    section = _Section.of(_root(text, "the request"), "the request", "a fault")
    if any(section.has(name) for name in _LATER):
        rule = _rule(section)
        return replace(rule, times=rule.times or 1)
    fault = _fault(section)
    section.refuse_others()
    return fault


@dataclass(frozen=True, slots=True)
class _Reader(Generic[T]):
    """``read`` raises ValueError; ``expects`` completes "it must be …"."""

    read: Callable[[str], T]
    expects: str


def _one_of(words: tuple[str, ...]) -> _Reader[str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return _Reader(read, words[0] if len(words) == 1 else "one of " + ", ".join(words))


def _whole(low: int) -> _Reader[int]:
    def read(text: str) -> int:
        if (number := int(text)) < low:
            raise ValueError(text)
        return number

    return _Reader(read, f"a whole number of {low} or more")


def _duration(*, positive: bool) -> _Reader[float]:
    def read(text: str) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", text)
        if not found or (positive and not float(found[1])):
            raise ValueError(text)
        return float(found[1]) * _UNITS_S[found[2]]

    return _Reader(read, "a duration as 250ms, 5s or 2m" + (", above 0" if positive else ""))


_SPAN: Final = _duration(positive=True)
_WAIT: Final = _duration(positive=False)
_COUNT: Final = _whole(1)


class _Section:
    """The keys of one mapping; remembers which were asked for."""

    def __init__(self, place: str, what: str, line: int, nodes: dict[str, yaml.Node]) -> None:
        self.line = line
        self._place = place
        self._what = what
        self._nodes = nodes
        self._asked: dict[str, None] = {}

    @classmethod
    def of(cls, node: yaml.Node | None, place: str, what: str) -> _Section:
        import yaml

        line = node.start_mark.line + 1 if node else 1
        section = cls(place, what, line, {})
        if not isinstance(node, yaml.MappingNode):
            raise section.mistake(line, f"{what} must hold keys with values", hint=MANUAL)
        for key, value in node.value:
            name, at = str(key.value), key.start_mark.line + 1
            if name in section._nodes:
                raise section.mistake(at, f"{name} is given twice in {what}", hint="Delete one of the two")
            section._nodes[name] = value
        return section

    def mistake(self, line: int, what: str, *, why: str = "", hint: str = "") -> ConfigError:
        return ConfigError(f"{self._place}:{line}: {what}", why=why, hint=hint)

    def has(self, name: str) -> bool:
        self._asked[name] = None
        return name in self._nodes

    def get(self, name: str, reader: _Reader[T], default: T) -> T:
        return self._read(name, reader) if self.has(name) else default

    def maybe(self, name: str, reader: _Reader[T]) -> T | None:
        return self._read(name, reader) if self.has(name) else None

    def need(self, name: str, reader: _Reader[T]) -> T:
        if not self.has(name):
            raise self.mistake(
                self.line, f"{self._what} lacks {name}", why=f"{name} must be {reader.expects}", hint=f"Write {name}: …"
            )
        return self._read(name, reader)

    def sections(self, name: str) -> list[_Section]:
        """A list of mappings; an absent or empty one is fine."""
        import yaml

        if not self.has(name):
            return []
        node = self._nodes[name]
        if isinstance(node, yaml.ScalarNode) and node.value in {"", "null", "~"}:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.mistake(node.start_mark.line + 1, f"{name} must be a list", hint=MANUAL)
        return [_Section.of(item, self._place, "a rule") for item in node.value]

    def choice(self) -> Choice:
        """``connections``: all, a list of seats, or {random: n}."""
        import yaml

        if not self.has("connections"):
            return Choice()
        node = self._nodes["connections"]
        if isinstance(node, yaml.MappingNode):
            inner = _Section.of(node, self._place, "connections")
            random = inner.need("random", _COUNT)
            inner.refuse_others()
            return Choice(random=random)
        if isinstance(node, yaml.SequenceNode) and node.value:
            return Choice(tuple(self._value(item, "connections", _whole(0)) for item in node.value))
        self._value(node, "connections", _Reader(_one_of(("all",)).read, "all, a list as [0, 2], or {random: 1}"))
        return Choice()

    def refuse_others(self) -> None:
        for name, node in self._nodes.items():
            if name not in self._asked:
                near = get_close_matches(name, self._asked, 1)
                raise self.mistake(
                    node.start_mark.line + 1,
                    f"{self._what} has no key {name}",
                    why=f"it may have: {', '.join(self._asked)}",
                    hint=f"Did you mean {near[0]}?" if near else "Remove it",
                )

    def rename(self, what: str) -> None:
        self._what = what

    def _read(self, name: str, reader: _Reader[T]) -> T:
        return self._value(self._nodes[name], name, reader)

    def _value(self, node: yaml.Node, name: str, reader: _Reader[T]) -> T:
        import yaml

        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise self.mistake(line, f"{name} can't be a list or a mapping", why=f"it must be {reader.expects}")
        try:
            return reader.read(str(node.value))
        except ValueError:
            raise self.mistake(
                line, f"{name} can't be {node.value!r}", why=f"it must be {reader.expects}", hint=MANUAL
            ) from None


def _root(text: str, place: str) -> yaml.Node | None:
    import yaml

    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}" if mark else place
        why = str(getattr(error, "problem", "") or type(error).__name__)
        raise ConfigError(f"{where} is not YAML", why=why, hint="Correct it") from None


def _rule(section: _Section) -> Rule:
    when = _when(section)
    fault = _fault(section)
    once = isinstance(when, At)
    times = 1 if once else section.maybe("times", _COUNT)
    section.refuse_others()
    if not once and not isinstance(when, Every):
        _check_trigger(section, fault)
    return Rule(when, fault, times, section.line)


def _check_trigger(section: _Section, fault: Fault) -> None:
    if fault.choice.random:
        raise section.mistake(
            section.line,
            "a random connection can't be chosen here",
            why="a rule with after_open, on_message or on_frame is about the connection it happens on",
            hint="Leave connections out, or give a list as [0, 2]",
        )
    if "rest" in fault.where and not isinstance(fault.what, AtTheDoor):
        raise section.mistake(
            section.line,
            "after_open, on_message and on_frame are of the ticker's connections",
            hint="Use at or every for where: rest",
        )


_TRIGGERS: Final[dict[str, Callable[[_Section], When]]] = {
    "at": lambda section: At(section.need("at", _WAIT)),
    "every": lambda section: Every(section.need("every", _SPAN), section.get("jitter", _WAIT, 0.0)),
    "after_open": lambda section: AfterOpen(section.need("after_open", _WAIT)),
    "on_message": lambda section: OnMessage(section.need("on_message", _COUNT)),
    "on_frame": lambda section: OnFrame(section.need("on_frame", _COUNT)),
}

_LATER: Final = ("after_open", "on_message", "on_frame")
"""Those that wait for a connection rather than for the clock."""


def _when(section: _Section) -> When:
    given = [name for name in _TRIGGERS if section.has(name)]
    if len(given) != 1:
        raise section.mistake(
            section.line,
            f"a rule says {' and '.join(given)}" if given else "a rule doesn't say when",
            why=f"it needs exactly one of {', '.join(_TRIGGERS)}",
            hint=MANUAL,
        )
    return _TRIGGERS[given[0]](section)


def _fault(section: _Section) -> Fault:
    kind = section.need("do", _one_of(tuple(_KINDS)))
    section.rename(kind)
    what = _KINDS[kind](section)
    where = _ENTRANCES[section.get("where", _one_of(tuple(_ENTRANCES)), "ticker")]
    if "rest" in where and kind in _OF_THE_TICKER:
        raise section.mistake(
            section.line, f"{kind} is about websocket frames, and REST has none", hint="Write where: ticker"
        )
    choice = Choice() if isinstance(what, AtTheDoor) else section.choice()
    if "rest" in where and not choice.is_all:
        raise section.mistake(section.line, "REST's connections can't be chosen", hint="Leave connections out")
    return Fault(what, choice, where)


def _slow(section: _Section) -> Slow:
    found = Slow(section.maybe("for", _SPAN), section.maybe("bytes_per_s", _COUNT), section.get("delay", _WAIT, 0.0))
    if found.bytes_per_s is None and not found.delay_s:
        raise section.mistake(section.line, "slow doesn't say how", hint="Give bytes_per_s or delay, or both")
    return found


def _cut_handshake(section: _Section) -> CutHandshake:
    for_s, count = section.maybe("for", _SPAN), section.maybe("count", _COUNT)
    return CutHandshake(for_s, count or (None if for_s else 1), section.get("stage", _one_of(STAGES), "request"))


def _status(section: _Section) -> Status:
    code = int(section.need("code", _one_of(tuple(str(code) for code in STATUSES))))
    for_s, count = section.maybe("for", _SPAN), section.maybe("count", _COUNT)
    until = section.maybe("until", _one_of(("new_token",))) is not None
    if not (for_s or count or until):
        raise section.mistake(
            section.line, "status doesn't say for how long", hint="Give for, count or until: new_token"
        )
    return Status(code, for_s, count, until, section.get("body", _one_of(BODIES), "json"))


_KINDS: Final[dict[str, Callable[[_Section], What]]] = {
    "rst": lambda _: Rst(),
    "fin": lambda _: Fin(),
    "half_open": lambda section: HalfOpen(section.maybe("for", _SPAN)),
    "silence": lambda section: Silence(section.maybe("for", _SPAN)),
    "slow": _slow,
    "split": lambda section: Split(
        section.maybe("for", _SPAN),
        section.get("pieces", _whole(2), 2),
        section.get("into", _one_of(PIECES), "segments"),
        section.get("pause", _WAIT, 0.0),
    ),
    "merge": lambda section: Merge(section.maybe("for", _SPAN), section.get("frames", _whole(2), 10)),
    "malformed": lambda section: Malformed(section.need("form", _one_of(DAMAGES)), section.get("frames", _COUNT, 1)),
    "refuse": lambda section: Refuse(section.need("for", _SPAN)),
    "cut_handshake": _cut_handshake,
    "status": _status,
    "freeze": lambda section: Freeze(section.need("for", _SPAN)),
    "tls": lambda section: Tls(
        section.need("form", _one_of(TLS_FORMS)), section.maybe("for", _SPAN), section.maybe("count", _COUNT)
    ),
}
_OF_THE_TICKER: Final = frozenset({"half_open", "split", "merge", "malformed"})
assert {kind.kind for kind in get_args(What)} == set(_KINDS)
