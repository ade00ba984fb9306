"""Layers over layers, each value with its origin, each mistake with its place."""

from __future__ import annotations

import dataclasses
from datetime import time
from pathlib import Path

import pytest

from kitecli.errors import ConfigError
from kitecli.secret import Secret
from kitecli.settings import layers, load
from kitecli.settings.layers import defaults_dir, find_file, profile_names, search_path, user_dir
from kitecli.settings.schema import SECRETS


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def refusal(**given) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(**{"environ": {}, **given})
    return caught.value


# --- precedence ---


def test_later_layers_win_and_the_origin_says_which(write):
    key = "performance.buffer_size"
    path = write("performance:\n  buffer_size: 2\n")
    write("performance:\n  buffer_size: 3\n", "profile-mine.yaml")
    environ = {"KITE_PERFORMANCE_BUFFER_SIZE": "4"}

    def outcome(**given) -> tuple[object, str]:
        chosen = load(**{"environ": {}, **given}).given[key]
        return chosen.value, str(chosen.origin)

    assert outcome() == (10_000, "default")
    assert outcome(path=path) == (2, f"file {path}:2")
    assert outcome(path=path, profile="mine") == (3, f"profile {path.parent}/profile-mine.yaml:2")
    assert outcome(path=path, profile="mine", environ=environ) == (4, "environment KITE_PERFORMANCE_BUFFER_SIZE")
    flags = {key: "5"}
    assert outcome(path=path, profile="mine", environ=environ, flags=flags) == (5, f"flag --set {key}")


def test_the_sections_hold_the_values(write):
    settings = load(path=write("trading:\n  market_start: 09:20\ndatafeed: {equity_mode: full}\n"), environ={})
    assert settings.trading.market_start == time(9, 20)
    assert settings.datafeed.equity_mode == "full"


def test_settings_are_frozen():
    settings = load(environ={})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.performance.buffer_size = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.given["performance.buffer_size"] = None  # type: ignore[index]


def test_the_alias_sets_the_key_it_stands_for(write):
    settings = load(path=write("performance: {store_ticks: false}\n"), environ={})
    assert settings.datafeed.store_ticks is False
    assert load(environ={"KITE_PERFORMANCE_STORE_TICKS": "no"}).datafeed.store_ticks is False


def test_alias_and_key_may_agree_but_not_contradict(write):
    both = "performance:\n  store_ticks: {}\ndatafeed:\n  store_ticks: false\n"
    assert load(path=write(both.format("false")), environ={}).datafeed.store_ticks is False
    error = refusal(path=write(both.format("true")))
    assert "config.yaml:2" in error.what
    assert "another name" in error.why


# --- where the file is ---


def test_the_file_is_looked_for_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "APPDATA": str(tmp_path / "home")}
    here, home = search_path(environ)
    assert home == user_dir(environ) / "config.yaml" == tmp_path / "home" / "kite" / "config.yaml"
    assert find_file(None, environ) is None
    for path in (home, here):
        path.parent.mkdir(parents=True)
        path.write_text("")
        assert find_file(None, environ) == path
    named = tmp_path / "named.yaml"
    named.write_text("")
    assert find_file(None, {**environ, "KITE_CONFIG": str(named)}) == named
    assert find_file(home, {**environ, "KITE_CONFIG": str(named)}) == home


def test_without_xdg_the_home_folder_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/trader")
    monkeypatch.setattr("sys.platform", "linux")
    assert user_dir({}) == Path("/home/trader/.config/kite")
    monkeypatch.setattr("sys.platform", "win32")
    assert user_dir({"APPDATA": "/roaming"}) == Path("/roaming/kite")


@pytest.mark.parametrize(
    ("given", "culprit"),
    [({"path": Path("gone.yaml")}, "--config"), ({"environ": {"KITE_CONFIG": "gone.yaml"}}, "KITE_CONFIG")],
)
def test_a_file_that_was_named_must_exist(given, culprit):
    error = refusal(**given)
    assert "gone.yaml" in error.what
    assert culprit in error.why


def test_the_defaults_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert (defaults_dir() / "default.yaml").is_file()
    package = tmp_path / "site-packages" / "kitecli"
    (package / "defaults").mkdir(parents=True)
    monkeypatch.setattr(layers, "__file__", str(package / "settings" / "layers.py"))
    assert defaults_dir() == package / "defaults"


# --- profiles ---


def test_the_two_ready_profiles():
    fast = load(environ={}, profile="maximum-speed").performance
    assert (fast.worker_threads, fast.tick_aggregation_interval, fast.use_mmap) == (8, 50, True)
    small = load(environ={"KITE_PROFILE": "memory-efficiency"})
    assert (small.performance.ring_buffer_size, small.performance.buffer_size) == (100_000, 1_000)
    assert (small.datafeed.store_ticks, small.profile) == (False, "memory-efficiency")


def test_a_profile_of_ones_own_stands_beside_the_file(write):
    write("performance: {buffer_size: 7}\n", "profile-mine.yaml")
    path = write("")
    assert load(path=path, profile="mine", environ={}).performance.buffer_size == 7
    assert profile_names(path) == ["maximum-speed", "memory-efficiency", "mine"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "folder/file", ".", "Maximum-Speed"])
def test_a_profiles_name_is_no_path(name: str, write):
    path = write("")
    (path.parent / "profile-folder").mkdir()
    write("", "profile-folder/file.yaml")
    assert "maximum-speed" in refusal(path=path, profile=name).why


def test_the_nearest_profile_is_named():
    assert refusal(profile="max-speed").hint == "did you mean maximum-speed?"


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("performance:\n  bufer_size: 1\n", 2, "did you mean buffer_size?"),
        ("performence:\n  buffer_size: 1\n", 2, "did you mean performance?"),
        ("performance:\n  buffer_size: many\n", 2, "a whole number from 1 to 1000000"),
        ("performance:\n  buffer_size: 0\n", 2, "a whole number from 1 to 1000000"),
        ("performance:\n  use_mmap: maybe\n", 2, "true or false"),
        ("datafeed:\n  equity_mode: fast\n", 2, "one of ltp, quote, full"),
        ("trading:\n  market_start: dawn\n", 2, '"09:15:00"'),
        ("kite:\n  environment: live\n", 2, "one of prod, sandbox, sim"),
        ("kite:\n  ws_root: ws://ws.kite.trade\n", 2, "wss://host"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(write, text: str, line: int, says: str):
    path = write(text)
    error = str(refusal(path=path))
    assert f"{path}:{line}" in error
    assert says in error


def test_a_mistake_is_found_even_where_a_later_layer_overrides_it(write):
    path = write("performance: {buffer_size: many}\n")
    assert str(path) in str(refusal(path=path, environ={"KITE_PERFORMANCE_BUFFER_SIZE": "4"}))


def test_a_mistake_in_a_variable_names_the_variable():
    error = refusal(environ={"KITE_TRADING_RISK_PER_TRADE": "2"})
    assert "KITE_TRADING_RISK_PER_TRADE" in error.why
    assert error.hint == "correct or unset KITE_TRADING_RISK_PER_TRADE"


def test_a_misspelt_variable_of_a_section_is_refused_and_any_other_is_only_told():
    assert refusal(environ={"KITE_PERFORMANCE_BUFER_SIZE": "4"}).hint == "did you mean KITE_PERFORMANCE_BUFFER_SIZE?"
    (said,) = load(environ={"KITE_API_KEYS": "x", "KITE_DEBUG": "1"}).warnings
    assert "KITE_API_KEYS" in said
    assert "did you mean KITE_API_KEY?" in said


@pytest.mark.parametrize("name", [None, "x"])
def test_a_flag_without_a_section_is_refused(name):
    assert refusal(flags={"buffer_size": "1"}).what == "there is no section 'buffer_size'"


def test_the_market_must_open_before_it_closes():
    error = refusal(environ={"KITE_TRADING_MARKET_START": "15:30"})
    assert "KITE_TRADING_MARKET_START" in error.why


# --- secrets ---


@pytest.mark.parametrize("value", ["canary\nx", "canary\udcff", "canary\x1b"])
def test_a_secret_that_is_no_line_of_text_is_refused_unseen(value: str):
    with pytest.raises(ConfigError, match="KITE_API_SECRET") as raised:
        load(environ={"KITE_API_SECRET": value})
    assert "canary" not in str(raised.value)
    assert load(environ={"KITE_API_SECRET": " canary\n"}).kite.api_secret == Secret("canary")
    assert load(environ={"KITE_API_SECRET": " \n"}).kite.api_secret is None


def test_secrets_come_from_the_environment_and_are_masked():
    environ = {f"KITE_{key.partition('.')[2].upper()}": f"canary-{key}" for key in SECRETS}
    settings = load(environ=environ)
    assert settings.kite.api_key == Secret("canary-kite.api_key")
    assert all(settings.given[key].value == Secret(f"canary-{key}") for key in SECRETS)
    assert "canary" not in repr(settings)
    assert load(environ={"KITE_API_KEY": ""}).kite.api_key is None


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("section", ["kite", "performance"])
def test_secrets_in_a_file_are_refused_with_the_reason(write, section: str, key: str):
    name = key.partition(".")[2]
    error = refusal(path=write(f"{section}:\n  {name}: canary\n"))
    assert "config.yaml:2" in error.what
    assert error.why
    assert f"KITE_{name.upper()}" in error.hint
    assert "canary" not in str(error)


def test_secrets_on_the_command_line_are_refused():
    assert "KITE_PASSWORD" in refusal(flags={"kite.password": "canary"}).hint


# --- what is said about keys that do less than they promise ---


def test_notices_are_given_for_what_somebody_set_himself(write):
    assert load(environ={}).warnings == ()
    assert load(environ={}, profile="maximum-speed").warnings == ()
    path = write("performance:\n  buffer_size: 5\n  worker_threads: 2\n")
    (said,) = load(path=path, environ={}).warnings
    assert said.startswith(f"performance.worker_threads (file {path}:3) has no effect")


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(ConfigError) as refusal:
        load(flags={"kite.api_root": "https://me:hunter2@api.kite.trade"})
    assert "hunter2" not in str(refusal.value)
    assert "api.kite.trade" in refusal.value.what
