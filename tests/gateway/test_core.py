"""The feed on an event loop, without a process around it."""

import asyncio

import pytest

from kitecli.errors import EnvironmentProblem, TooManyInstruments
from kitecli.gateway.core import Gateway, seats_path
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret

compiled = pytest.mark.skipif(not COMPILED, reason="a ring in a file needs the compiled pass")
NOWHERE = Secret("ws://127.0.0.1:1")


@compiled
def test_a_request_to_stop_ends_it_and_its_files_go(tmp_path):
    path = tmp_path / "a.ring"
    events = []

    async def scenario():
        gateway = Gateway(GatewaySpec(NOWHERE, {}, 1024, str(path)), events.append)
        running = asyncio.create_task(gateway.run())
        await asyncio.sleep(0)
        assert path.stat().st_mode & 0o777 == 0o600
        assert seats_path(path).exists()
        gateway.request('{"do": "stop"}')
        await asyncio.wait_for(running, 5)
        gateway.close()

    asyncio.run(scenario())
    assert events[0].kind == "ready"
    assert list(tmp_path.iterdir()) == []


@compiled
def test_a_spec_that_asks_too_much_leaves_nothing_behind(tmp_path):
    spec = GatewaySpec(NOWHERE, dict.fromkeys(range(1, 9002), "ltp"), 1024, str(tmp_path / "a.ring"))
    with pytest.raises(TooManyInstruments):
        Gateway(spec, lambda _: None)
    assert list(tmp_path.iterdir()) == []


@compiled
def test_a_ring_that_finds_no_room_is_said(tmp_path):
    with pytest.raises((EnvironmentProblem, FileNotFoundError)):
        Gateway(GatewaySpec(NOWHERE, {}, 1024, str(tmp_path / "no" / "folder" / "a.ring")), lambda _: None)


@pytest.mark.skipif(COMPILED, reason="there is an extension")
def test_without_the_extension_no_ring_is_shared(tmp_path):
    with pytest.raises(EnvironmentProblem, match="compiled"):
        Gateway(GatewaySpec(NOWHERE, {}, 1024, str(tmp_path / "a.ring")), lambda _: None)
