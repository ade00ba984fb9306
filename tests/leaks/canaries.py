"""Runs kite with secrets that occur nowhere else, and looks for them in everything it left or showed.

::

    seen = Watched(folder).run("creds", "status", password=PASSWORD)
    assert leaks(seen) == []

Channels: ``stdout``, ``stderr``, ``argv`` (``/proc/*/cmdline`` of kite and all it starts, while it runs), ``environ``
(of what it starts), ``socket`` (what a feed says on its control socket: socket_talk.py), ``file`` (all that is below
the folder afterwards: data, runtime, home, logs, recordings, temporary files).
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
LOOK_AGAIN_S: Final = 0.02
TIMEOUT_S: Final = 60.0

CANARIES: Final = {
    "vault password": "canary-vault-Zq81mXr4",
    "new password": "canary-newpw-Lk27vBt9",
    "api_key": "canary0apikey0Ty55",
    "api_secret": "canary0apisecret0Wn30",
    "user_id": "CANARYUSER77",
    "password": "canary-broker-pw-Hd12",
    "totp_secret": "CANARYTOTPSEED2345",
    "access_token": "canary0accesstoken0Gp66",
    "telegram_token": "123456:canary-bot-Wq77",
    "webhook_url": "canary-hook-Xe19",
}
PASSWORD: Final = CANARIES["vault password"]
NEW_PASSWORD: Final = CANARIES["new password"]
_NAMES: Final = ("api_key", "api_secret", "user_id", "password", "totp_secret", "access_token", "telegram_token")
LINES: Final = "".join(
    (
        *(f"KITE_{name.upper()}={CANARIES[name]}\n" for name in _NAMES),
        f"KITE_WEBHOOK_URL=https://127.0.0.1:9/{CANARIES['webhook_url']}\n",  # what is secret in it is its path
    )
)


@dataclass(frozen=True, slots=True)
class Hit:
    """Which secret was found, through which channel, and where there."""

    secret: str
    channel: str
    where: str = ""


@dataclass(slots=True)
class Seen:
    """What a run showed and left, by channel and place."""

    exit_code: int = 0
    by_place: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)

    def add(self, channel: str, where: str, content: bytes) -> None:
        self.by_place.setdefault((channel, where), set()).add(content)

    def content(self, channel: str) -> bytes:
        return b"".join(part for (one, _), parts in self.by_place.items() if one == channel for part in parts)

    def text(self, channel: str) -> str:
        return self.content(channel).decode()

    def places(self, channel: str) -> list[str]:
        return [place for one, place in self.by_place if one == channel]


def leaks(seen: Seen, exempt: Callable[[Hit], bool] = lambda _: False) -> list[Hit]:
    """Every secret found, in any form it is likely to be copied in."""
    hits = [
        Hit(secret, channel, where)
        for (channel, where), parts in seen.by_place.items()
        for secret, value in CANARIES.items()
        if any(form in part for part in parts for form in forms(value.encode()))
    ]
    return [hit for hit in hits if not exempt(hit)]


def of_the_session(hit: Hit) -> bool:
    """Whether it stands in the day's session, which is there to tell all of kite whose it is and its token."""
    in_session = hit.channel == "file" and Path(hit.where).name.startswith("session-")
    return in_session and hit.secret in {"api_key", "user_id", "access_token"}


def forms(value: bytes) -> tuple[bytes, ...]:
    """As it is, in hexadecimal, and in base64 at its three alignments without what depends on its neighbours."""
    shifted = (base64.b64encode(bytes(shift) + value)[4 if shift else 0 : -4] for shift in range(3))
    return value, value.hex().encode(), *shifted


class Watched:
    """Runs kite below ``folder``, which holds its data, home and temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given: set[Path] = set()
        """Files a test wrote secrets into, which prove nothing."""
        for name in ("home", "data", "runtime", "tmp", "work"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)

    @property
    def vault(self) -> Path:
        return self.folder / "data" / "vault" / "default.vault"

    def run(
        self,
        *arguments: str,
        password: str = "",
        new: str = "",
        stdin: str = "",
        environ: Mapping[str, str] | None = None,
        program: tuple[str, ...] = (sys.executable, "-m", "kitecli"),
    ) -> Seen:
        """Passwords go through descriptors: ``--password-fd`` and ``--new-password-fd`` of ``kite creds``, for all
        other verbs ``KITE_VAULT_FD``.
        """
        ends = [_behind(text) for text in (password, new) if text]
        more = dict(environ or {})
        fds: list[str] = []
        if password and arguments[:1] == ("creds",):
            fds = ["--password-fd", str(ends[0])]
        elif password:
            more["KITE_VAULT_FD"] = str(ends[0])
        fds += ["--new-password-fd", str(ends[1])] if new else []
        try:
            return self._watch([*program, *arguments, *fds], stdin, more, tuple(ends))
        finally:
            for end in ends:
                os.close(end)

    def _watch(self, command: list[str], stdin: str, environ: Mapping[str, str], ends: tuple[int, ...]) -> Seen:
        seen = Seen()
        out, err = (self.folder / f"{name}.captured" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr, _typed(stdin) as typed:
            process = subprocess.Popen(
                command,
                cwd=self.folder / "work",
                env=self._environ(environ),
                stdin=typed,
                stdout=stdout,
                stderr=stderr,
                pass_fds=ends,
            )
            deadline = time.monotonic() + TIMEOUT_S
            while process.poll() is None and time.monotonic() < deadline:
                _look_at(process.pid, seen)
                time.sleep(LOOK_AGAIN_S)
            process.kill()
            seen.exit_code = process.wait()
        for channel, path in (("stdout", out), ("stderr", err)):
            seen.add(channel, "", path.read_bytes())
            path.unlink()
        self._look_at_files(seen)
        return seen

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KITE_", "XDG_"))}
        places = {"HOME": "home", "KITE_DATA_DIR": "data", "KITE_RUNTIME_DIR": "runtime", "TMPDIR": "tmp"}
        return {
            **kept,
            **{name: str(self.folder / place) for name, place in places.items()},
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def _look_at_files(self, seen: Seen) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.given:
                with suppress(FileNotFoundError):  # a recording's file that has just been packed
                    seen.add("file", str(path.relative_to(self.folder)), path.read_bytes())


def _behind(text: str) -> int:
    reading, writing = os.pipe()
    os.write(writing, text.encode() + b"\n")
    os.close(writing)
    return reading


def _typed(text: str) -> IO[bytes]:
    return os.fdopen(_behind(text.removesuffix("\n")), "rb")


def _look_at(pid: int, seen: Seen) -> None:
    """Command lines of a process and all below it; environments of those below.

    A child that hasn't become its own program yet still is its parent, environment and all.
    """
    own = b""
    for one in _family(pid):
        try:
            command = Path(f"/proc/{one}/cmdline").read_bytes()
            own = own or command
            seen.add("argv", "", command)
            if command != own:
                seen.add("environ", "", Path(f"/proc/{one}/environ").read_bytes())
        except OSError:
            continue  # it has ended meanwhile


def _family(pid: int) -> Iterator[int]:
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listed.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))
