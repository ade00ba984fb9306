"""``kite demo``: one command, no account, and what to try next."""

import json

from typer.testing import CliRunner

from kitecli.cli import app


def test_it_streams_and_tells_what_to_try_next(run_kite):
    done = run_kite("demo", "--seconds", "10")
    assert done.returncode == 0, done.stderr
    assert "no account needed" in done.stderr
    assert "NSE:RELIANCE" in done.stdout
    assert "lost 0" in done.stderr
    assert "kite init" in done.stderr
    assert all(len(line) <= 80 for line in done.stderr.splitlines() if "ticks in" not in line)


def test_in_the_runner():
    done = CliRunner().invoke(app, ["demo", "--seconds", "8", "--json"])
    assert done.exit_code == 0, done.output
    assert "NSE:NIFTY 50" in {json.loads(line)["instrument"] for line in done.stdout.splitlines()}
