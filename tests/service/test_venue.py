"""Where a service's ticks come from: opened when needed, and not before."""

import pytest

from kitecli.errors import AuthError
from kitecli.secret import Secret
from kitecli.service.venue import Venue, as_whom, secret, secret_or_none, simulation
from kitecli.settings import load
from kitecli.sim.options import SimOptions
from tests.service.scripted import config_for


def test_a_configured_one_costs_nothing_until_instruments_are_asked_for(exchange):
    settings = as_whom(
        config_for(exchange.ws_url, exchange.api_url).settings, Secret(exchange.api_key), Secret("token")
    )
    venue = Venue(lambda: settings, None)
    venue.check()
    assert venue.market().ws_root == exchange.ws_url
    assert venue.market() is venue.market()
    assert venue.book() is venue.book()
    assert len(venue.book()) == 300
    former = venue.market()
    venue.close()
    assert venue.market() is not former


def test_without_credentials_it_is_refused_before_anything_is_opened():
    with pytest.raises(AuthError):
        Venue(lambda: load(environ={}), None).check()


def test_a_simulated_one_lives_from_first_use_to_close():
    venue = Venue(lambda: load(environ={}), SimOptions(instruments=20))
    venue.check()
    market = venue.market()
    assert market.simulated
    assert len(venue.book()) == 20
    venue.close()
    venue.close()


def test_what_to_simulate():
    assert simulation(False) is None
    assert simulation(True) == SimOptions()
    assert simulation(SimOptions(rate=5)) == SimOptions(rate=5)


def test_credentials_in_code_win_over_all_others():
    settings = load(environ={"KITE_API_KEY": "a", "KITE_ACCESS_TOKEN": "b", "KITE_ACCESS_TOKEN_FILE": "/c"})
    assert as_whom(settings, None, None) == settings
    kite = as_whom(settings, secret("key"), secret(Secret("token"))).kite
    assert (kite.api_key, kite.access_token, kite.access_token_file) == (Secret("key"), Secret("token"), None)
    assert as_whom(settings, secret("key"), secret_or_none(None)).kite.access_token_file == "/c"
