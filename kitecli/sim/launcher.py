"""Starts a simulated exchange in a process of its own and stops it: what ``--sim``, the demo and the tests use."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.error import HTTPError

from kitecli.errors import ConfigError, DataError, EnvironmentProblem, KiteError, UsageError
from kitecli.secret import without_secrets
from kitecli.sim.options import Ready, SimOptions

START_TIMEOUT_S: Final = 30.0  # a large table on a slow disk
STOP_TIMEOUT_S: Final = 5.0
ANSWER_S: Final = 20.0  # a machine that is busy elsewhere keeps it waiting; a dead one is noticed at once
DEATH_S: Final = 0.2  # its sockets close a moment before it can be waited for
# The exchange is on this machine: http_proxy is for others.
DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ERRORS: Final = {kind.reference: kind for kind in (ConfigError, DataError, EnvironmentProblem, UsageError)}


def launch(options: SimOptions, *, timeout_s: float = START_TIMEOUT_S) -> SimProcess:
    """Start a simulated exchange and wait until it listens. Use it in ``with``, or call ``stop``.

    Raises what the exchange raised (ConfigError, DataError, EnvironmentProblem, UsageError), and EnvironmentProblem
    when it doesn't come up in time.
    """
    return SimProcess(options, timeout_s)


class SimProcess:
    """A running simulated exchange. ``ready``: where it is and how to get in."""

    def __init__(self, options: SimOptions, timeout_s: float) -> None:
        self._ends = not options.is_synthetic
        # A file, not a pipe: nobody drains it while the exchange runs.
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kitecli.sim"],
            env=without_secrets(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        try:
            self._pipe_to_it().write(logged(options).to_json().encode() + b"\n")
            self._pipe_to_it().flush()
            self.ready = as_ready(self._first_line(timeout_s))
            self._access_token = self.ready.access_token
        except BaseException:
            self.stop()
            raise

    @property
    def ws_url(self) -> str:
        return self.ready.ws_url

    @property
    def api_url(self) -> str:
        return self.ready.api_url

    @property
    def api_key(self) -> str:
        return self.ready.api_key

    @property
    def access_token(self) -> str:
        """The one that opens it now."""
        return self._access_token

    @property
    def pid(self) -> int:
        return self._process.pid

    def ledger(self) -> dict[str, Any]:
        """What it has sent so far; see :meth:`kitecli.sim.ledger.Ledger.as_dict`."""
        return self._get("/sim/ledger")

    def status(self) -> dict[str, Any]:
        """``state`` is waiting, running or ended; and totals."""
        return self._get("/sim/status")

    def source_ended(self) -> bool:
        """Whether the table it sends is at its end; False where it doesn't say. Raises where the exchange is dead."""
        if not self._ends:
            if self._process.poll() is not None:
                raise self._unreachable("nobody stopped it")
            return False
        try:
            return bool(self.status()["state"] == "ended")
        except EnvironmentProblem:
            if self._process.poll() is not None:
                raise
            return False

    def subscriptions(self) -> dict[int, dict[int, str]]:
        """What it sends: {connection: {token: mode}} of the open connections, numbered as in the ledger."""
        found: dict[str, dict[str, str]] = self._get("/sim/subscriptions")
        return {int(one): {int(token): mode for token, mode in modes.items()} for one, modes in found.items()}

    def renew_token(self) -> str:
        """A new access token; the old one is refused with 403 from now on. Open connections go on."""
        self._access_token = str(self._ask("POST", "/sim/access_token")["access_token"])
        return self._access_token

    def change_app(self, **changes: object) -> dict[str, Any]:
        """Change what the developer console says of the app: ``redirect_url``, ``linked``, ``market_data``."""
        changed: dict[str, Any] = self._ask("POST", "/sim/app", changes)
        return changed

    def fault(self, do: str, **keys: object) -> list[dict[str, Any]]:
        """Do a fault now: its kind and the keys of a script's rule, ``for_s`` for its ``for``.

        As ``fault("silence", for_s=6, connections=[0])``. Returns a line of the truth for each connection or entrance
        it was done to, so nothing where none fits. With ``after_open``, ``on_message`` or ``on_frame`` it is done to
        ``times`` (1) of the connections opened later, and nothing is returned. Needs ``SimOptions(faults=…)``. Raises
        ConfigError for what is no fault and UsageError for what can't be done.
        """
        said = {"for" if name == "for_s" else name: value for name, value in keys.items() if value is not None}
        done: list[dict[str, Any]] = self._ask("POST", "/sim/faults", {"do": do} | said)
        return done

    def faults(self) -> dict[str, Any]:
        """The fault proxy's truth: ``faults``, ``outages``, ``counts``, ``connections``, ``token_bytes``."""
        return self._get("/sim/faults")

    def stop(self) -> None:
        """End it, kindly at first. May be called twice."""
        with contextlib.suppress(OSError):  # it is gone already
            self._pipe_to_it().close()
        for insist in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
                break
            insist()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _pipe_to_it(self) -> IO[bytes]:
        assert self._process.stdin is not None  # Popen was given PIPE
        return self._process.stdin

    def _first_line(self, timeout_s: float) -> bytes:
        line = first_line(self._process, timeout_s)
        if line is None:
            raise self._silent(f"it said nothing for {timeout_s:g} s")
        if not line:
            raise self._silent(f"it ended with code {self._process.wait(STOP_TIMEOUT_S)}")
        return line

    def _silent(self, why: str) -> EnvironmentProblem:
        last = self._last_complaint()
        return EnvironmentProblem(
            "The simulated exchange didn't start",
            why=f"{why}: {last}" if last else why,
            hint="Run `kite sim` to see what it says",
        )

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", path)
        return found

    def _ask(self, method: str, path: str, said: Mapping[str, object] | None = None) -> Any:
        """Ask the exchange itself, behind all faults; what comes back is JSON of any kind."""
        body = json.dumps(said).encode() if said is not None else None
        url = self.ready.control_url + path
        request = urllib.request.Request(url, body, method=method)  # noqa: S310 - http, and the exchange's own
        try:
            with DIRECT.open(request, timeout=ANSWER_S) as response:
                return json.load(response)["data"]
        except HTTPError as error:
            with error:
                raise _as_error(json.load(error)["data"]) from None
        except (OSError, HTTPException) as error:
            raise self._unreachable(str(error)) from error

    def _unreachable(self, why: str) -> EnvironmentProblem:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DEATH_S)
        code = self._process.poll()
        died = f"it ended with code {code}" if code is not None else ""
        return EnvironmentProblem(
            "The simulated exchange died" if died else "The simulated exchange doesn't answer",
            why=": ".join(part for part in (died, self._last_complaint() or why) if part),
            hint="Start it again; `kite sim` shows what it says",
        )

    def _last_complaint(self) -> str:
        """The last line of its stderr; nothing once it was stopped."""
        if self._complaints.closed:
            return ""
        self._complaints.seek(0)
        return self._complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]


def logged(options: SimOptions) -> SimOptions:
    """The options of a process that writes to the log of this one, where this one has any."""
    from kitecli.logs import running as log

    current = log.current()
    return options if current is None else replace(options, logs=current.plan.as_plain())


def first_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes | None:
    """What the exchange says first; empty where it ended, None where it is silent for ``timeout_s``.

    A thread reads it, because a pipe can't be waited for with a timeout on every system.
    """
    lines: queue.Queue[bytes] = queue.Queue()
    out = process.stdout
    assert out is not None  # Popen was given PIPE
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout_s)
    except queue.Empty:
        return None


def as_ready(line: bytes) -> Ready:
    """The exchange's first line; raises the error it tells of."""
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise _as_error(answer)
    return Ready(**answer)


def _as_error(said: dict[str, Any]) -> KiteError:
    kind = _ERRORS.get(said["error"], KiteError)
    return kind(said["what"], why=said["why"], hint=said["hint"])
