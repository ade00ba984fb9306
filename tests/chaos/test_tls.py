"""Servers that can't prove who they are, against both of our clients and the official ticker: who tells them the token?

``token_bytes`` is the server's word: what it has received of access tokens, 0 where a client hung up in time.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession, profile
from kitecli.errors import BrokerError, CertificateRefused, ConnectionFailed
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret
from kitecli.sim.faults.kinds import BAD_TLS
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

OFFICIAL = Path(__file__).with_name("official_ticker.py")
WITH_A_CERTIFICATE = {"self_signed", "wrong_host", "expired", "unknown_ca"}


@pytest.fixture(scope="module")
def sim():
    """Good at first, and trusted: so each bad form is refused for what it is."""
    with launch(SimOptions(instruments=10, rate_limits=False, faults="{version: 1, tls: good}")) as sim:
        yield sim


class Nobody:
    def on_binary(self, payload: memoryview | bytes) -> None: ...
    def on_text(self, text: str) -> None: ...


def connect(sim: SimProcess) -> None:
    async def scenario():
        address = Secret(f"{sim.ws_url}?api_key={sim.api_key}&access_token={sim.access_token}")
        trust = ssl.create_default_context(cafile=sim.ready.ca_file)
        link = await PicowsTransport(trust).open(address, Nobody())
        link.close()
        await link.wait_closed()

    asyncio.run(scenario())


def call(sim: SimProcess) -> None:
    assert profile(BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token)))["user_id"] == "SIM001"


def test_good_servers_are_spoken_to(sim: SimProcess, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", sim.ready.ca_file)
    before = sim.faults()["token_bytes"]
    connect(sim)
    call(sim)
    assert sim.faults()["token_bytes"] == {"ticker": before["ticker"] + 32, "rest": before["rest"] + 32, "trap": 0}


@pytest.mark.parametrize("trusts", ["", "/nowhere/ca.pem"])
def test_who_does_not_know_the_authority_trusts_nobody(sim: SimProcess, trusts: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", trusts)
    before = sim.faults()["token_bytes"]
    with pytest.raises(BrokerError, match="can't be trusted"):
        call(sim)
    assert sim.faults()["token_bytes"] == before


@pytest.mark.parametrize("form", BAD_TLS)
@pytest.mark.parametrize("where", ["ticker", "rest"])
def test_twelve_of_twelve_bad_servers_are_told_nothing(
    sim: SimProcess, where: str, form: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", sim.ready.ca_file)
    [deed] = sim.fault("tls", form=form, count=1, where=where)
    if where == "ticker":
        with pytest.raises(ConnectionFailed) as refused:
            connect(sim)
        assert isinstance(refused.value, CertificateRefused) == (form in WITH_A_CERTIFICATE)
    else:
        with pytest.raises(BrokerError, match=r"can't be (trusted|reached)"):
            call(sim)
    after = sim.faults()
    deed = after["faults"][deed["id"] - 1]
    assert (deed["detail"], deed["hits"], deed["token_bytes"], after["token_bytes"]["trap"]) == (form, 1, 0, 0)


def test_a_redirect_into_the_clear_is_not_followed(sim: SimProcess, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", sim.ready.ca_file)
    sim.fault("status", code=302, count=1, where="both")
    with pytest.raises(ConnectionFailed, match=r"HTTP 302|did not speak"):
        connect(sim)
    with pytest.raises(BrokerError, match="302"):
        call(sim)
    assert sim.faults()["token_bytes"]["trap"] == 0


def test_the_official_ticker_tells_a_self_signed_server_the_token():
    """Why the feed has a client of its own. Should this fail one day, they have mended it: say so in the docs."""
    with launch(SimOptions(instruments=10, faults="{version: 1, tls: self_signed}")) as sim:
        asked = {"api_key": sim.api_key, "access_token": sim.access_token, "ws_url": sim.ws_url}
        found = subprocess.run(
            [sys.executable, str(OFFICIAL)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert json.loads(found.stdout) == {"connected": True}
        [ticker] = [deed for deed in sim.faults()["faults"] if deed["where"] == "ticker"]
        assert (ticker["kind"], ticker["detail"]) == ("tls", "self_signed")
        assert ticker["token_bytes"] >= len(sim.access_token)
