"""Completes verbs and instruments at a shell's prompt, without Typer, NumPy or any other import that costs.

A process of Typer's alone takes as long as a user notices; this one takes what Python takes to start. Instruments come
from the mapped index. Whatever else there is (options, their values, a verb's verbs) is left to Typer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from shlex import shlex
from typing import Final

from kitecli.errors import DataError
from kitecli.folders import data_dir
from kitecli.market.index import MasterIndex
from kitecli.master.folder import SIMULATED, newest_index
from kitecli.verbs import VERBS

# Verbs whose arguments are instruments, and those of their options that take a value; a test compares them with Typer.
TAKES_VALUE: Final = {
    "feed": frozenset(
        {"--mode", "--universe", "--watchlist", "--duration", "--connections", "--source"}
        | {"--speed", "--start", "--instruments"}
    ),
    "bars": frozenset({"--count", "--duration", "--interval", "--mode", "--source", "--speed", "--start"}),
    "audit-bars": frozenset({"--from", "--interval", "--to"}),
    "record": frozenset({"--duration", "--instruments", "--mode", "--store", "--universe", "--until", "--watchlist"}),
    "replay": frozenset({"--from", "--speed", "--store", "--to"}),
    "logs": frozenset({"--component", "--level", "--since"}),
    "instruments show": frozenset({"--master"}),
    "instruments search": frozenset({"--master", "--limit"}),
}
GLOBAL_VALUES: Final = frozenset({"--config", "--profile", "--set"})
INSTRUMENT_OPTIONS: Final = frozenset({"--universe"})
LIMIT: Final = 60
PARTS: Final = ("near", "next", "far", "weekly", "monthly", "FUT", "OPT", "CE", "PE", "ATM", "ATM+-5", "ATM+-10")
FIRST: Final = ("NSE", "BSE")
# What a shell would take for something else than a letter of a word.
_SPECIAL: Final = frozenset(" &'\"()$`;|<>*?[]#~!\\")


def answer(environ: Mapping[str, str]) -> str | None:
    """What to print where a shell asks to complete a verb or an instrument; None where it asks for something else."""
    shell = environ.get("_KITE_COMPLETE", "").removeprefix("complete_")
    if shell not in _FORMS:
        return None
    words, typed = _line(shell, environ)
    if typed.startswith("-"):
        return None
    at = _after_globals(words)
    if at == len(words):
        return _FORMS[shell]({verb: purpose for verb, purpose in VERBS.items() if verb.startswith(typed)}, typed)
    if not _wants_instrument(words[at:]):
        return None
    index = _index(words, environ)
    found = candidates(index, typed.lstrip("'\"")) if index else []
    return _FORMS[shell](dict.fromkeys(found, ""), typed)


def candidates(index: MasterIndex, typed: str) -> list[str]:
    """Words that go on from ``typed``, in upper case: symbols, exchanges, and the parts of a selector of contracts."""
    exchange, colon, rest = typed.upper().partition(":")
    if not colon:
        return _bare(index, exchange)
    if ":" in rest:
        done, _, last = typed.rpartition(":")
        return [f"{done}:{part}" for part in PARTS if part.upper().startswith(last.upper())]
    return [f"{exchange}:{symbol}" for symbol in index.beginnings(exchange, rest, LIMIT)]


def _bare(index: MasterIndex, start: str) -> list[str]:
    names = sorted(index.exchanges(), key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    found = [f"{name}:" for name in names if name.startswith(start)]
    for name in names if start else []:
        found += index.beginnings(name, start, LIMIT - len(found))
    found = list(dict.fromkeys(found))
    # One word that isn't whole would get a space behind it.
    return found + candidates(index, found[0]) if len(found) == 1 and found[0].endswith(":") else found


def _line(shell: str, environ: Mapping[str, str]) -> tuple[list[str], str]:
    """The words before the one at the cursor, without the program's name, and that one as far as it is typed."""
    if shell == "bash":
        words = _glued(_split(environ.get("COMP_WORDS", "")), int(environ.get("COMP_CWORD", "0")))
        return words[1:-1], words[-1]
    text = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)
    if shell in {"powershell", "pwsh"}:
        typed = environ.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
        return words[1:-1] if typed else words[1:], typed
    return (words[1:], "") if text.endswith(" ") or len(words) < 2 else (words[1:-1], words[-1])


def _glued(words: list[str], at: int) -> list[str]:
    """Bash takes a word apart at its colons."""
    glued: list[str] = []
    for word in [*words, ""][: at + 1]:
        if glued and (word.startswith(":") or glued[-1].endswith(":")) and len(glued) > 1:
            glued[-1] += word
        else:
            glued.append(word)
    return glued


def _split(text: str) -> list[str]:
    """Words as a shell splits them; the last may lack its closing quote, which stays before it."""
    lexer = shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # an open quote, the last there is
        words.append(text[max(text.rfind("'"), text.rfind('"'))] + lexer.token)
    return words


def _after_globals(words: list[str]) -> int:
    """Where the verb stands, or would; beyond the end where an option still lacks its value."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in GLOBAL_VALUES else 1
    return at


def _wants_instrument(words: list[str]) -> bool:
    verb, rest = _verb(words)
    before = rest[-1] if rest else ""
    return verb is not None and (before not in TAKES_VALUE[verb] or before in INSTRUMENT_OPTIONS)


def _verb(words: list[str]) -> tuple[str | None, list[str]]:
    """The verb and what follows it; None where it takes no instruments."""
    for count in (1, 2):
        verb = " ".join(words[:count])
        if verb in TAKES_VALUE:
            return verb, words[count:]
    return None, []


def _index(words: list[str], environ: Mapping[str, str]) -> MasterIndex | None:
    """The newest index of what the command would talk to: the simulated exchange's never stands in for a real one's."""
    simulated = bool({"--sim", "--source"} & set(words)) or environ.get("KITE_ENVIRONMENT") == SIMULATED
    for source in [SIMULATED] if simulated else _real_sources():
        path = newest_index(source)
        try:
            if path:
                return MasterIndex.open(path)
        except (DataError, OSError):
            continue  # nothing can be said at a prompt; the next command that uses the index builds it again
    return None


def _real_sources() -> list[str]:
    try:
        names = os.listdir(os.path.join(data_dir(), "instruments"))  # noqa: PTH118, PTH208 - no time for pathlib
    except OSError:
        return []
    return sorted((name for name in names if name != SIMULATED), key=lambda name: (name != "api.kite.trade", name))


def _for_bash(found: Iterable[str], typed: str) -> str:
    """The part behind the last colon, unless the word is quoted: bash puts the answer there."""
    if typed[:1] in ("'", '"'):
        return "\n".join(found)
    cut = typed.rfind(":") + 1
    return "\n".join(
        "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in word[cut:]) for word in found
    )


def _for_zsh(found: Mapping[str, str], _: str) -> str:
    words = (_zsh_quoted(word) + (f":{_zsh_quoted(purpose)}" if purpose else "") for word, purpose in found.items())
    listed = "\n".join(words)
    return f"_arguments '*: :(({listed}))'" if found else "_files"


def _zsh_quoted(text: str) -> str:
    escaped = text.replace("'", "''").replace("$", "\\$").replace("`", "\\`").replace(":", r"\\:")
    return f'"{escaped}"'


def _for_fish(found: Mapping[str, str], _: str) -> str:
    if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        sys.exit(0 if found else 1)
    return "\n".join(f"{word}\t{purpose}".rstrip() for word, purpose in found.items())


def _for_powershell(found: Mapping[str, str], _: str) -> str:
    words = ((f"'{word}'" if set(word) & _SPECIAL else word, purpose) for word, purpose in found.items())
    return "\n".join(f"{word}:::{purpose or ' '}" for word, purpose in words)


_FORMS: Final = {
    "bash": _for_bash,
    "zsh": _for_zsh,
    "fish": _for_fish,
    "powershell": _for_powershell,
    "pwsh": _for_powershell,
}
