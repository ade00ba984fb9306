"""The names the project's users write, run as they write them, as far as they exist in this version.

Each test is one line or more of that public contract. What a later version adds, it adds here.
"""

import json
import math
import os
import subprocess
import sys

import pytest

import kitecli
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions


def test_kite_feed_mode_quote(run_kite):
    with launch(SimOptions(rate=5)) as sim:
        environment = {
            "KITE_ENVIRONMENT": "sim",
            "KITE_WS_ROOT": sim.ws_url,
            "KITE_API_ROOT": sim.api_url,
            "KITE_API_KEY": sim.api_key,
            "KITE_ACCESS_TOKEN": sim.access_token,
        }
        done = run_kite("feed", "--mode", "quote", "--duration", "4", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    ticks = [json.loads(line) for line in done.stdout.splitlines()]
    assert ticks
    assert {tick["mode"] for tick in ticks} == {"quote"}
    assert len({tick["instrument"] for tick in ticks}) > 5, "a few well-known names, when none is given"


FEED_SCRIPT = """
import os, time
from kitecli import DataFeedService

seen, moved = [], []

def on_tick(tick):
    seen.append((tick.instrument_token, tick.last_price))
    if tick.change_percent > -100:
        moved.append(tick)

datafeed = DataFeedService(api_key=os.environ["MY_KEY"], access_token=os.environ["MY_TOKEN"])
datafeed.config.datafeed.store_ticks = True
datafeed.subscribe([738561, 5633], mode="quote")
datafeed.add_tick_callback(on_tick)
datafeed.start()
deadline = time.monotonic() + 30
while len(moved) < 10 and time.monotonic() < deadline:
    time.sleep(0.01)
stats = datafeed.get_statistics()
print(f"{stats['ticks_per_second']:.1f} ticks/s, {stats['active_connections']} up, {stats['buffer_usage']:.2%} full")
assert type(stats) is dict and type(stats["ticks_per_second"]) is float and type(stats["active_connections"]) is int
assert stats["active_connections"] == 1 and 0 <= stats["buffer_usage"] <= 1
assert len(datafeed.get_latest_ticks(738561, count=1000)) > 0
bars = datafeed.get_ohlc_bars(738561, count=100, interval="1m")
assert bars.dtype.names[:6] == ("start", "end", "open", "high", "low", "close")
(forming,) = datafeed.get_ohlc_bars(738561, count=1, interval="1m", forming=True)
assert forming["low"] <= forming["close"] <= forming["high"]
datafeed.stop()
assert {token for token, price in seen} == {738561, 5633}
with datafeed:
    assert datafeed.wait(0.1) is False
"""


def test_the_feed_service_as_users_write_it(tmp_path):
    with launch(SimOptions(rate=5, instruments=300)) as sim:
        environment = {
            **os.environ,
            "KITE_ENVIRONMENT": "sim",
            "KITE_WS_ROOT": sim.ws_url,
            "KITE_API_ROOT": sim.api_url,
            "KITE_RUNTIME_DIR": str(tmp_path / "run"),
            "MY_KEY": sim.api_key,
            "MY_TOKEN": sim.access_token,
        }
        done = subprocess.run(
            [sys.executable, "-c", FEED_SCRIPT], capture_output=True, text=True, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "1 up" in done.stdout


LOGIN_SCRIPT = """
from kitecli import KiteAuthenticator

auth = KiteAuthenticator()
assert auth.authenticate() is True
print(auth.get_access_token())
"""


def test_the_login_as_users_write_it(tmp_path):
    with launch(SimOptions(instruments=3)) as sim:
        environment = {
            **os.environ,
            "KITE_ENVIRONMENT": "sim",
            "KITE_API_ROOT": sim.api_url,
            "KITE_RUNTIME_DIR": str(tmp_path / "run"),
            "KITE_API_KEY": sim.api_key,
            "KITE_API_SECRET": sim.ready.api_secret,
            "KITE_USER_ID": sim.ready.user_id,
            "KITE_PASSWORD": sim.ready.password,
            "KITE_TOTP_SECRET": sim.ready.totp_secret,
        }
        done = subprocess.run(
            [sys.executable, "-c", LOGIN_SCRIPT], capture_output=True, text=True, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) == 32


CONFIG_SCRIPT = """
from kitecli import config
from kitecli.errors import ConfigError

config.performance.ring_buffer_size = 500000
assert config.performance.ring_buffer_size == 500000
for value in ("huge", -1):
    try:
        config.performance.ring_buffer_size = value
    except ConfigError as refusal:
        assert refusal.why or refusal.hint
    else:
        raise AssertionError(f"{value} was taken")
print(config.kite.api_key, repr(config.kite.api_key), repr(config.kite))
config.freeze()
try:
    config.performance.ring_buffer_size = 1000
except ConfigError as refusal:
    print(refusal.what)
"""


def test_config_has_attributes_can_change_before_a_start_and_masks_secrets():
    environment = {**os.environ, "KITE_API_KEY": "very-secret-key"}
    done = subprocess.run(
        [sys.executable, "-c", CONFIG_SCRIPT], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "very-secret-key" not in done.stdout
    assert "********" in done.stdout
    assert done.stdout.splitlines()[-1] == "performance.ring_buffer_size can't be changed now"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("performance", "buffer_size", 10_000),
        ("performance", "ring_buffer_size", 1_000_000),
        ("performance", "worker_threads", 4),
        ("performance", "tick_aggregation_interval", 100),
        ("performance", "use_mmap", True),
        ("performance", "store_ticks", True),
        ("trading", "market_start", "09:15:00"),
        ("trading", "market_end", "15:30:00"),
        ("trading", "default_quantity", 1),
        ("trading", "risk_per_trade", 0.02),
        ("datafeed", "primary_source", "websocket"),
        ("datafeed", "equity_mode", "quote"),
        ("datafeed", "futures_mode", "full"),
        ("datafeed", "store_ticks", True),
        ("datafeed", "tick_storage_format", "binary"),
    ],
)
def test_the_missions_settings_have_the_missions_values(section, key, value):
    found = getattr(getattr(kitecli.config, section), key)
    assert (found.isoformat() if hasattr(found, "isoformat") else found) == value


@pytest.mark.parametrize(
    ("profile", "values"),
    [
        ("maximum-speed", {"worker_threads": 8, "tick_aggregation_interval": 50, "use_mmap": True}),
        ("memory-efficiency", {"ring_buffer_size": 100_000, "buffer_size": 1000}),
    ],
)
def test_the_ready_profiles(profile, values):
    from kitecli.settings import load

    performance = load(profile=profile).performance
    assert {key: getattr(performance, key) for key in values} == values


def test_a_tick_has_the_attributes_users_write(frames_of_one_ltp_tick):
    tick = frames_of_one_ltp_tick
    assert tick.instrument_token == 738561
    assert tick.last_price == 1542.2
    assert math.isnan(tick.change_percent)
    assert not tick.change_percent > 1
    assert not tick.change_percent < 1
    assert tick.volume_traded is None
    assert tick.depth is None


@pytest.fixture
def frames_of_one_ltp_tick():
    from kitecli.market.view import ticks_of
    from kitecli.protocol.decoder import decode_frame

    frame = bytes.fromhex("0001 0008") + (738561).to_bytes(4, "big") + (154220).to_bytes(4, "big")
    return next(ticks_of(decode_frame(frame).ticks))


def test_importing_the_package_is_light():
    script = "import sys, kitecli; print(sorted({'numpy', 'yaml', 'kiteconnect', 'twisted'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
