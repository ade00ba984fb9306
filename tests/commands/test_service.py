"""``kite record --install-service``: what systemd is told."""

from __future__ import annotations

import configparser
import json
import shlex
import stat
import sys

import pytest

from kitecli.commands._service import unit_of


def section(unit, name):
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(unit)
    return parser[name]


def test_the_unit_runs_the_same_command_line_without_the_service_s_own_options():
    unit = unit_of(
        "/usr/bin/python3", ["--set", "a=b c", "record", "NFO:NIFTY*", "--install-service", "--json", "50%$"]
    )
    service = section(unit, "Service")
    words = shlex.split(service["ExecStart"])
    assert words == ["/usr/bin/python3", "-m", "kitecli", "--set", "a=b c", "record", "NFO:NIFTY*", "50%%$$"]
    assert (service["Restart"], service["KillSignal"], service["KillMode"]) == ("always", "SIGINT", "mixed")
    assert "KITE_ACCESS_TOKEN=" not in unit


def test_print_shows_it_and_writes_nothing(run_kite, tmp_path):
    home = tmp_path / "home"
    shown = run_kite("record", "INFY", "--install-service", "--print", env={"XDG_CONFIG_HOME": str(home)})
    assert shown.returncode == 0
    assert section(shown.stdout, "Service")["WorkingDirectory"] == str(tmp_path)
    assert shlex.split(section(shown.stdout, "Service")["ExecStart"])[1:] == ["-m", "kitecli", "record", "INFY"]
    assert not home.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="systemd")
def test_it_is_written_for_this_user_and_says_what_to_do_next(run_kite, tmp_path):
    said = run_kite("record", "INFY", "--install-service", "--json", env={"XDG_CONFIG_HOME": str(tmp_path / "home")})
    path = tmp_path / "home" / "systemd" / "user" / "kite-record.service"
    assert json.loads(said.stdout) == {"unit": str(path)}
    assert stat.S_ISREG(path.stat().st_mode)
    assert "kitecli record INFY" in path.read_text()
    for step in ("KITE_ACCESS_TOKEN_FILE", "systemctl --user", "enable-linger", "journalctl"):
        assert step in said.stderr
