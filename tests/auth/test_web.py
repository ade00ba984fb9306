"""Cookies kept, redirects not followed, no query in an error."""

from __future__ import annotations

import pytest

from kitecli.auth.headless import Ask
from kitecli.auth.web import Web
from kitecli.errors import BrokerUnavailable
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess


def test_it_is_one_browser(exchange: SimProcess):
    ready = exchange.ready
    page = f"{ready.login_url}?v=3&api_key={ready.api_key}"
    with Web() as web:
        first = web.ask(Ask("GET", page))
        assert (first.status, "sess_id" in first.headers["location"]) == (302, True)
        assert "GMT" in first.headers["date"]
        form = {"user_id": ready.user_id, "password": Secret("wrong")}
        assert web.ask(Ask("POST", f"{ready.api_url}/api/login", form)).status == 403


def test_an_address_in_an_error_has_no_query():
    with Web() as web, pytest.raises(BrokerUnavailable) as failure:
        web.ask(Ask("GET", "http://127.0.0.1:1/?request_token=t0psecret"))
    assert "t0psecret" not in str(failure.value)
    assert failure.value.__context__ is None or failure.value.__suppress_context__
