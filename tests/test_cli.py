"""The command line as a whole: help, the error boundary, exit codes, and what starting it costs."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kitecli.cli import Boundary, app
from kitecli.commands._shared import JsonOption
from kitecli.errors import BrokerError, KiteError, UsageError
from tests.commands.every_verb import every_verb

CHECKOUT = Path(__file__).resolve().parent.parent
HEAVY = ("numpy", "kiteconnect", "twisted", "cryptography", "yaml", "pydantic", "picows", "rich")


def raising(error: BaseException) -> typer.Typer:
    """An app of ours whose one command fails."""
    planted = typer.Typer(cls=Boundary, pretty_exceptions_enable=False)

    @planted.callback()
    def root() -> None: ...

    @planted.command()
    def fail(as_json: JsonOption = False) -> None:
        raise error

    return planted


def in_process(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def into(target: str, arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``kite ARGUMENTS >TARGET``, by a shell."""
    return subprocess.run(
        ["sh", "-c", f'"$0" -m kitecli {arguments} >{target}', sys.executable],
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


# --- help ---


def test_help_names_every_verb():
    printed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(verb.split()[0] in printed for verb in every_verb())


def section_of(verb: str) -> str:
    reference = (CHECKOUT / "docs" / "cli.md").read_text()
    assert f"\n## kite {verb}\n" in reference
    return reference.partition(f"\n## kite {verb}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("verb", list(every_verb()))
def test_every_verb_has_help_with_an_example_takes_json_and_stands_in_the_reference(verb: str):
    result = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert result.exit_code == 0
    assert f"kite {verb}" in result.stdout.replace("Usage: kite", "")
    options = set(re.findall(r"--[a-z][a-z-]+", result.stdout.partition("\nOptions:\n")[2])) - {"--help", "--no"}
    assert {option for option in options if option not in section_of(verb)} == set()
    assert "--json" in options


def test_no_arguments_print_help_and_an_unknown_verb_is_a_usage_error(run_kite):
    nothing = run_kite()
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "Commands:" in nothing.stderr
    wrong = run_kite("stream")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "stream" in wrong.stderr


def test_version(run_kite):
    from importlib.metadata import version

    assert run_kite("--version").stdout == f"kite {version('kitecli')}\n"


# --- the error boundary ---


def test_an_error_is_what_why_next_on_stderr_with_its_exit_code():
    result = CliRunner().invoke(raising(BrokerError("no quote", why="it is closed", hint="wait")), ["fail"])
    assert (result.exit_code, result.stdout) == (7, "")
    assert result.stderr == "kite: no quote\n  why:  it is closed\n  next: wait\n"


def test_parts_that_are_not_known_are_not_printed():
    assert CliRunner().invoke(raising(KiteError("it broke")), ["fail"]).stderr == "kite: it broke\n"


def test_with_json_an_error_is_one_json_line_on_stderr():
    error = UsageError("no such thing", why="it is gone", hint="look elsewhere")
    result = CliRunner().invoke(raising(error), ["fail", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert json.loads(result.stderr) == error.as_dict()


def test_a_defect_says_where_and_exits_70():
    result = CliRunner().invoke(raising(ZeroDivisionError("by nought")), ["fail"])
    assert result.exit_code == 70
    assert "ZeroDivisionError at test_cli.py:" in result.stderr
    assert "by nought" in result.stderr
    assert "KITE_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_no_output_quotes_a_secret(monkeypatch: pytest.MonkeyPatch, debug: str):
    monkeypatch.setenv("KITE_DEBUG", debug)
    monkeypatch.setenv("KITE_PASSWORD", "canary-password")
    leaky = ValueError("GET wss://ws?api_key=canary-key&access_token=canary-token as canary-password")
    shown = CliRunner().invoke(raising(leaky), ["fail"]).stderr
    assert "********" in shown
    assert "canary" not in shown
    assert ("Traceback" in shown) == bool(debug)


def test_interruption_exits_130():
    assert CliRunner().invoke(raising(KeyboardInterrupt()), ["fail"]).exit_code == 130


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C can't be sent to one process there")
def test_ctrl_c_in_a_real_process_exits_130_and_says_nothing():
    code = """
from kitecli.cli import app, main
@app.command()
def hang():
    print("ready", flush=True)
    time.sleep(60)
import sys
sys.argv = ["kite", "hang"]
main()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
@pytest.mark.parametrize("printing", ["print('a line')", "typer.echo('a line')", "print('x' * 100_000)"])
def test_a_reader_that_goes_away_ends_the_command_quietly(printing: str):
    code = f"""
import sys, typer
from kitecli.cli import app, main
@app.command()
def talk():
    {printing}
sys.argv = ["kite", "talk"]
main()
"""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        process = subprocess.run(
            [sys.executable, "-c", code],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},  # so that something is left for the interpreter to flush
            text=True,
            timeout=60,
            check=False,
        )
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", ["config show", "config show --json", "--version", "--help", "sim --help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_said_and_is_no_defect(arguments: str, unbuffered: str):
    done = into("/dev/full", arguments, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 8, done.stderr
    assert "stdout can't be written" in done.stderr
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == (1 if "--json" in arguments else 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_more_than_a_buffer_on_a_full_disk_is_no_defect_either():
    code = """
import sys
from kitecli.cli import app, main
@app.command()
def talk():
    print("x" * 100_000)
    print("y")
sys.argv = ["kite", "talk"]
main()
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 8, done.stderr
    assert "stdout can't be written" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes descriptors")
@pytest.mark.parametrize("arguments", ["config show", "--version", "config show --json"])
def test_a_closed_stdout_is_said(arguments: str):
    done = into("&-", arguments)
    assert done.returncode == 8, done.stderr
    assert "stdout can't be written" in done.stderr
    assert "it is closed" in done.stderr
    assert ("exit_code" in done.stderr) == ("--json" in arguments)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device", "a.parquet"), OSError(errno.ECONNREFUSED, "refused")]
)
def test_other_failures_are_not_blamed_on_stdout(error: OSError):
    result = CliRunner().invoke(raising(error), ["fail"])
    assert result.exit_code == 70
    assert "stdout" not in result.stderr


# --- global options ---


def test_set_needs_a_value_and_knows_the_keys(run_kite):
    assert run_kite("--set", "performance.buffer_size", "config", "show").returncode == 2
    wrong = run_kite("--set", "performance.bufer_size=5", "config", "show")
    assert wrong.returncode == 3
    assert "did you mean buffer_size?" in wrong.stderr


# --- what starting costs ---


SAY_WHAT_IS_HEAVY = f"""
import atexit, sys
atexit.register(lambda: sys.stderr.write(" ".join(name for name in {HEAVY!r} if name in sys.modules)))
"""
START = """
from kitecli.cli import main
sys.argv = ["kite", "--help"]
main()
"""


def test_help_loads_nothing_heavy():
    helped = in_process(SAY_WHAT_IS_HEAVY + START)
    assert "Usage" in helped.stdout
    assert helped.stderr == ""


def test_a_verb_that_is_nearly_one_is_proposed():
    assert "Did you mean 'record'" in CliRunner().invoke(app, ["recrod"]).stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [("kite --prof", "--profile"), ("kite data ver", "verify"), ("kite doctor --js", "--json")],
)
def test_completion_knows_options_too(words: str, offered: str):
    asked = {"_KITE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert in_process(SAY_WHAT_IS_HEAVY + START, **asked).stdout.split() == [offered]


def test_importing_the_package_loads_nothing_heavy():
    heavy = (*HEAVY, "typer")
    assert in_process(f"import sys, kitecli; print([name for name in {heavy} if name in sys.modules])").stdout == "[]\n"
