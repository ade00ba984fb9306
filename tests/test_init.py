"""What ``kitecli`` itself offers."""

from __future__ import annotations

from importlib.metadata import version

import pytest

import kitecli


def test_every_exported_name_can_be_had():
    assert all(getattr(kitecli, name) is not None for name in kitecli.__all__)


def test_the_version_is_the_distributions():
    assert kitecli.__version__ == version("kitecli")


def test_config_is_the_settings_object():
    from kitecli import config
    from kitecli.settings import live

    assert config is live.config


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Ticker'"):
        kitecli.Ticker  # noqa: B018
