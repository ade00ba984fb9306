"""A client's process, as its starter talks to it: orders out, answers back."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import IO, Any, Final, Self

from kitecli.errors import EnvironmentProblem
from kitecli.gateway.spec import revived
from kitecli.loadtest.client import Job
from kitecli.secret import without_secrets

READY_S: Final = 45.0
ANSWER_S: Final = 30.0
END_S: Final = 5.0


class Child:
    """Started at once; :meth:`ready` waits until it can work. ``feed_pid``: what the client's feed runs in."""

    def __init__(self, kind: str, job: Job, folder: str) -> None:
        self.name = job.name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a kind that the plan has checked
            [sys.executable, "-m", "kitecli.loadtest", kind],
            env={**without_secrets(os.environ), "KITE_RUNTIME_DIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True, name=job.name)
        self._listener.start()
        self.order(job.to_line())
        self.feed_pid: int | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> None:
        """Raises what kept it from getting there."""
        self.feed_pid = self.hear("ready", READY_S)["pid"]

    def order(self, text: str) -> None:
        assert self._process.stdin is not None  # it was asked for
        with contextlib.suppress(OSError):  # it has ended; its answer will say why
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()

    def ask(self, text: str) -> dict[str, Any]:
        self.order(text)
        return self.hear(text, ANSWER_S)

    def hear(self, what: str, timeout_s: float) -> dict[str, Any]:
        """Its next answer. Raises what it failed with, :class:`EnvironmentProblem` where it says nothing."""
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {}
        if answer.get("say") == "failed":
            raise revived(answer)
        if answer.get("say") != what:
            raise self._silent(what, timeout_s)
        return answer

    def close(self) -> None:
        """End it: by the end of its orders, and by force where that doesn't do."""
        assert self._process.stdin is not None  # it was asked for
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
                break
            insist()
        self._process.wait()
        self._listener.join(END_S)
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # it was asked for
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")  # nothing will come any more

    def _silent(self, what: str, timeout_s: float) -> EnvironmentProblem:
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        code = self._process.poll()
        why = f"it ended with code {code}" if code is not None else f"it said nothing for {timeout_s:g} s"
        return EnvironmentProblem(
            f"The load test's {self.name} failed before it was {what}", why=": ".join(filter(None, (why, last)))
        )
