"""``kite doctor``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions


def test_this_machine_is_usable(run_kite):
    result = run_kite("doctor")
    assert result.returncode == 0, result.stdout
    assert "compiled pass" in result.stdout
    assert all(line.split("\t")[0] in {"ok", "warn"} for line in result.stdout.splitlines())


def test_without_the_compiled_pass_it_says_so_and_kite_is_usable(run_kite):
    result = run_kite("doctor", "--json", env={"KITE_PURE": "1"})
    document = json.loads(result.stdout)
    compiled = next(check for check in document["checks"] if check["name"] == "compiled pass")
    assert (result.returncode, document["usable"], compiled["state"]) == (0, True, "warn")
    assert "KITE_PURE" in compiled["found"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_failure_exits_8_and_says_what_to_do(form: list[str]):
    result = CliRunner().invoke(app, ["--set", "performance.buffer_size=many", "doctor", *form])
    assert result.exit_code == 8
    assert "correct --set performance.buffer_size" in result.stdout
    if form:
        assert json.loads(result.stdout)["usable"] is False


def test_online_asks_the_broker_and_the_network_too():
    with launch(SimOptions(instruments=3, rate_limits=False)) as sim:
        env = {
            "KITE_ENVIRONMENT": "sim",
            "KITE_API_ROOT": sim.api_url,
            "KITE_API_KEY": sim.api_key,
            "KITE_ACCESS_TOKEN": sim.access_token,
            "KITE_STATIC_IPS": "127.0.0.1",
        }
        result = CliRunner().invoke(app, ["doctor", "--online", "--json"], env=env)
    rows = {row["name"]: row for row in json.loads(result.stdout)["checks"]}
    assert (rows["session"]["state"], rows["session"]["found"]) == ("ok", "SIM001, by KITE_ACCESS_TOKEN")
    assert (rows["egress IP"]["state"], rows["network"]["state"]) == ("ok", "ok")
