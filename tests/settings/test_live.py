"""``from kitecli import config``: loaded when needed, changed before start, refused after."""

from __future__ import annotations

import warnings

import pytest

from kitecli.errors import ConfigError
from kitecli.secret import MASK, Secret
from kitecli.settings import load
from kitecli.settings.live import ConfigWarning, LiveConfig


@pytest.fixture
def config() -> LiveConfig:
    return LiveConfig(lambda: load(environ={"KITE_API_KEY": "canary"}))


def test_nothing_is_read_before_it_is_needed():
    def explode():
        raise AssertionError("read too early")

    lazy = LiveConfig(explode)
    assert lazy.performance is not None
    with pytest.raises(AssertionError):
        lazy.performance.buffer_size  # noqa: B018


def test_values_are_attributes_and_secrets_are_masked(config: LiveConfig):
    assert config.performance.ring_buffer_size == 1_000_000
    assert str(config.kite.api_key) == MASK
    assert "canary" not in repr(config.kite)


def test_a_change_before_start_is_in_force_with_its_origin(config: LiveConfig):
    config.performance.ring_buffer_size = 500_000
    assert config.performance.ring_buffer_size == 500_000
    settings = config.freeze()
    assert settings.performance.ring_buffer_size == 500_000
    assert str(settings.given["performance.ring_buffer_size"].origin) == "code"


def test_a_change_after_start_is_refused_until_the_service_has_stopped(config: LiveConfig):
    config.freeze()
    with pytest.raises(ConfigError, match="started") as caught:
        config.performance.ring_buffer_size = 5
    assert caught.value.hint
    config.thaw()
    config.performance.buffer_size = 5
    assert config.performance.buffer_size == 5


def test_of_two_services_the_last_one_to_stop_sets_the_settings_free(config: LiveConfig):
    config.freeze()
    config.freeze()
    config.thaw()
    with pytest.raises(ConfigError, match="started"):
        config.performance.buffer_size = 5
    config.thaw()
    config.thaw()  # one too many is no debt
    config.performance.buffer_size = 5
    config.freeze()
    with pytest.raises(ConfigError, match="started"):
        config.performance.buffer_size = 6


@pytest.mark.parametrize("value", ["many", 0, -5, 2.5, None, True])
def test_a_change_is_checked_like_any_layer(config: LiveConfig, value: object):
    with pytest.raises(ConfigError, match="buffer_size"):
        config.performance.buffer_size = value
    assert config.performance.buffer_size == 10_000


def test_changes_may_not_contradict_each_other(config: LiveConfig):
    with pytest.warns(ConfigWarning):
        config.trading.market_end = "16:00"
    with pytest.raises(ConfigError, match="not before"):
        config.trading.market_start = "17:00"


def test_the_alias_works_both_ways(config: LiveConfig):
    config.performance.store_ticks = False
    assert config.performance.store_ticks is False
    assert config.datafeed.store_ticks is False


def test_a_secret_may_be_set_by_code_as_text_or_as_a_secret(config: LiveConfig):
    config.kite.access_token = "canary"
    config.kite.api_secret = Secret("canary\n")
    config.kite.user_id = None
    assert config.kite.access_token == config.kite.api_secret == Secret("canary")
    assert config.kite.user_id is None
    with pytest.raises(ConfigError):
        config.performance.buffer_size = Secret("5")


@pytest.mark.parametrize("read", [True, False])
def test_an_unknown_name_is_refused_with_the_nearest(config: LiveConfig, read: bool):
    if read:
        with pytest.raises(AttributeError, match="bufer_size"):
            config.performance.bufer_size  # noqa: B018
    else:
        with pytest.raises(ConfigError, match="did you mean buffer_size"):
            config.performance.bufer_size = 5


def test_names_can_be_listed(config: LiveConfig):
    assert "ring_buffer_size" in dir(config.performance)
    assert "buffer_size=10000" in repr(config.performance)


def test_what_the_layers_had_to_say_is_said_once():
    config = LiveConfig(lambda: load(environ={"KITE_PERFORMANCE_WORKER_THREADS": "9"}))
    with pytest.warns(ConfigWarning, match="worker_threads"):
        config.settings  # noqa: B018
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config.settings  # noqa: B018
