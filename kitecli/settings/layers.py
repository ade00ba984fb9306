"""Settings in layers, each with its origin: defaults < file < profile < environment < flags < code.

Where the file is looked for: ``--config``, ``$KITE_CONFIG``, ``config/config.yaml`` in the current folder, then
``config.yaml`` in the user's configuration folder. Secrets are read from the environment, or a
``.env`` in the current folder, alone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from kitecli.errors import ConfigError
from kitecli.secret import MASK
from kitecli.settings.document import read_document
from kitecli.settings.dotenv import with_dotenv
from kitecli.settings.schema import (
    ALIASES,
    CONTROL_VARIABLES,
    NOTICES,
    SECRETS,
    SECTIONS,
    AlertSettings,
    DatafeedSettings,
    KiteSettings,
    LoggingSettings,
    PerformanceSettings,
    TradingSettings,
    kinds,
    variables,
)
from kitecli.settings.values import Pairs, Value

Layer = Literal["default", "file", "profile", "environment", "flag", "code"]

_PROFILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """The layer a value came from, and the place to correct it: a line, a variable, a flag."""

    layer: Layer
    place: str = ""

    def __str__(self) -> str:
        return f"{self.layer} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class Given:
    """A value and its origin."""

    value: Value
    origin: Origin


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked and frozen. ``given`` holds every key's value with its origin.

    ``exposed``: what the command line says about secrets that stand where others can read them.
    """

    kite: KiteSettings
    performance: PerformanceSettings
    trading: TradingSettings
    datafeed: DatafeedSettings
    logging: LoggingSettings
    alerts: AlertSettings
    given: Mapping[str, Given]
    file: Path | None = None
    profile: str | None = None
    warnings: tuple[str, ...] = ()
    exposed: str = ""


def load(
    *,
    path: Path | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings:
    """Read every layer. Raises :class:`ConfigError`, which names the place to correct."""
    environ = with_dotenv(os.environ) if environ is None else environ
    file = find_file(path, environ)
    profile = profile or environ.get("KITE_PROFILE") or None
    given = dict.fromkeys(SECRETS, Given(None, Origin("default")))
    given |= _from_file(defaults_dir() / "default.yaml", "default")
    given |= _from_file(file, "file") if file else {}
    given |= _from_file(_find_profile(profile, file), "profile") if profile else {}
    given |= _from_variables(environ)
    given |= _from_flags(flags or {})
    return build(given, file=file, profile=profile, strangers=_strangers(environ))


def build(
    given: Mapping[str, Given], *, file: Path | None = None, profile: str | None = None, strangers: Iterable[str] = ()
) -> Settings:
    """Settings of one value for each key. Raises :class:`ConfigError` where two values contradict each other."""
    values: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for key in kinds():
        section, _, name = key.partition(".")
        values[section][name] = given[key].value
    settings = Settings(
        **{section: cls(**values[section]) for section, cls in SECTIONS.items()},
        given=MappingProxyType(dict(given)),
        file=file,
        profile=profile,
        warnings=(*strangers, *_notices(given)),
        exposed=_exposed(given),
    )
    _check_market_hours(settings)
    return settings


def parse(key: str, text: str, origin: Origin) -> tuple[str, Given]:
    """The key's own name (an alias is resolved) with its value. Raises :class:`ConfigError`."""
    name = ALIASES.get(key, key)
    kind = kinds().get(name)
    if kind is None:
        raise _unknown(key, origin)
    try:
        return name, Given(kind.parse(text.strip()), origin)
    except ValueError as error:
        if name in SECRETS:
            raise ConfigError(f"{key} can't be used", why=f"{origin}: {error}", hint=_correction(origin)) from None
        raise ConfigError(
            f"{key} is {_without_userinfo(text)!r}",
            why=f"{origin} says so; it must be {kind.expects}",
            hint=_correction(origin),
        ) from None


def _without_userinfo(text: str) -> str:
    """An address may carry a password before its host: it is refused, and must not be shown for it."""
    return re.sub(r"//[^/@]*@", f"//{MASK}@", text)


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file in force, if any. One that was asked for by name must exist."""
    asked = path or (Path(environ["KITE_CONFIG"]) if environ.get("KITE_CONFIG") else None)
    if asked is None:
        return next((candidate for candidate in search_path(environ) if candidate.is_file()), None)
    if not asked.is_file():
        raise ConfigError(
            f"no configuration file at {asked}",
            why="--config names it" if path else "KITE_CONFIG names it",
            hint="correct the path, or write the file with kite init",
        )
    return asked


def search_path(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the file is looked for when nobody names one, first match wins."""
    return Path("config") / "config.yaml", user_dir(environ) / "config.yaml"


def user_dir(environ: Mapping[str, str]) -> Path:
    """The user's folder for configuration: ``$XDG_CONFIG_HOME/kite``, on Windows ``%APPDATA%/kite``."""
    home = environ.get("APPDATA") if sys.platform == "win32" else environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path("~/.config").expanduser()) / "kite"


def defaults_dir() -> Path:
    """Where default.yaml and its neighbours are: kitecli/defaults in a wheel, config/ in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "defaults"
    return installed if installed.is_dir() else package.parent / "config"


def profile_names(file: Path | None) -> list[str]:
    """The profiles there are: ours, and ``profile-NAME.yaml`` beside the configuration file."""
    names = {path.stem.removeprefix("profile-") for folder in _homes(file) for path in folder.glob("profile-*.yaml")}
    return sorted(names)


def _homes(file: Path | None) -> list[Path]:
    return ([file.parent] if file else []) + [defaults_dir()]


def _find_profile(name: str, file: Path | None) -> Path:
    # The pattern keeps a name from being a path to somewhere else.
    if _PROFILE_NAME.fullmatch(name):
        for folder in _homes(file):
            if (path := folder / f"profile-{name}.yaml").is_file():
                return path
    raise ConfigError(
        f"there is no profile {name!r}",
        why="the profiles are " + ", ".join(profile_names(file)),
        hint=_nearest(name, profile_names(file)) or "name one of them",
    )


def _from_file(path: Path, layer: Layer) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for entry in read_document(path, _pairs()):
        # What a default's line number would say, nobody can correct.
        origin = Origin(layer, "" if layer == "default" else entry.place)
        _add(found, f"{entry.section}.{entry.name}", entry.text, origin)
    return found


@cache
def _pairs() -> frozenset[str]:
    return frozenset(key for key, kind in kinds().items() if isinstance(kind, Pairs))


def _from_variables(environ: Mapping[str, str]) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for variable, key in variables().items():
        if variable in environ:
            _add(found, key, environ[variable], Origin("environment", variable))
    return found


def _from_flags(flags: Mapping[str, str]) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for key, text in flags.items():
        _add(found, key, text, Origin("flag", f"--set {key}"))
    return found


def _add(found: dict[str, Given], key: str, text: str, origin: Origin) -> None:
    if origin.layer != "environment":
        _refuse_secret(key, origin)
    name, given = parse(key, text, origin)
    if name in found and found[name].value != given.value:
        raise ConfigError(
            f"{key} contradicts {found[name].origin.place}",
            why=f"{key} is another name of {name}",
            hint=f"keep {name} and delete the other",
        )
    found[name] = given


def _refuse_secret(key: str, origin: Origin) -> None:
    if key.rpartition(".")[2] not in {secret.rpartition(".")[2] for secret in SECRETS}:
        return
    variable = f"KITE_{key.rpartition('.')[2].upper()}"
    raise ConfigError(
        f"{origin.place} sets the secret {key}",
        why="files are copied, mailed and committed, and a command line is seen by every user of the machine",
        hint=f"delete it there and put it in the environment variable {variable}; change it if others could read it",
    )


def _strangers(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and do nothing. Raises :class:`ConfigError` where one names a section of ours."""
    said = []
    for variable in sorted(environ):
        if not variable.startswith("KITE_") or variable in variables() or variable in CONTROL_VARIABLES:
            continue
        guess = _nearest(variable, [*variables(), *CONTROL_VARIABLES])
        if any(variable.startswith(f"KITE_{section.upper()}_") for section in SECTIONS):
            raise ConfigError(f"there is no setting {variable}", hint=guess or "correct or unset it")
        said.append(f"the environment variable {variable} is no setting and is ignored" + (guess and f"; {guess}"))
    return said


def _unknown(key: str, origin: Origin) -> ConfigError:
    section, _, name = key.partition(".")
    if section not in SECTIONS:
        names, what = list(SECTIONS), f"there is no section {section!r}"
    else:
        names, what = [known.partition(".")[2] for known in kinds() if known.startswith(f"{section}.")], ""
    guess = _nearest(
        name if section in SECTIONS else section, [name for name in names if f"kite.{name}" not in SECRETS]
    )
    return ConfigError(
        what or f"there is no setting {key}",
        why=f"{origin} names it; the choice is " + ", ".join(name for name in names if f"kite.{name}" not in SECRETS),
        hint=guess or _correction(origin),
    )


def _nearest(word: str, words: Iterable[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(word, list(words), n=1)
    return f"did you mean {found[0]}?" if found else ""


def _correction(origin: Origin) -> str:
    if origin.layer == "environment":
        return f"correct or unset {origin.place}"
    return f"correct {origin.place}" if origin.place else "correct it"


def _notices(given: Mapping[str, Given]) -> list[str]:
    """Said where somebody set the key himself; a ready profile's values are nobody's expectation."""
    mine = {"file", "environment", "flag", "code"}
    return [f"{key} ({given[key].origin}) {NOTICES[key]}" for key in NOTICES if given[key].origin.layer in mine]


def _exposed(given: Mapping[str, Given]) -> str:
    """A simulated exchange's credentials are worth nothing."""
    found = [given[key].origin.place for key in SECRETS if given[key].origin.layer == "environment"]
    if not found or given["kite.environment"].value != "prod":
        return ""
    return (
        f"{', '.join(found)} in the environment or .env can be read by every program you run, and win over the vault; "
        "kite creds import-env takes them into it"
    )


def _check_market_hours(settings: Settings) -> None:
    start, end = settings.trading.market_start, settings.trading.market_end
    if start >= end:
        raise ConfigError(
            f"trading.market_start {start} is not before trading.market_end {end}",
            why=f"{settings.given['trading.market_start'].origin} and {settings.given['trading.market_end'].origin}",
            hint="correct one of them",
        )
