"""The access token a gateway connects with: given, handed over, or in a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kitecli.errors import AuthError
from kitecli.gateway.address import TokenAddress
from kitecli.secret import Secret


def written(path: Path, token: str) -> Path:
    draft = path.with_suffix(".new")
    draft.touch(0o600)
    draft.write_text(token + "\n")
    draft.replace(path)
    return path


def token_of(address: TokenAddress) -> str:
    return address.url().reveal().partition("access_token=")[2]


def test_the_url_quotes_the_token_and_names_the_user():
    address = TokenAddress("wss://x", "key", access_token=Secret("t&=/"), user_id=Secret("AB1234"))
    assert address.url().reveal() == "wss://x?api_key=key&user_id=AB1234&access_token=t%26%3D%2F"


def test_without_a_token_there_is_no_address():
    with pytest.raises(AuthError, match="none was given"):
        TokenAddress("wss://x", "key").url()


def test_a_handed_over_token_wakes_who_waits():
    async def scenario() -> None:
        address = TokenAddress("wss://x", "key", access_token=Secret("old"))
        waiting = asyncio.create_task(address.changed(address.url()))
        await asyncio.sleep(0)
        address.replace(Secret("old"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        address.replace(Secret("new"))
        await asyncio.wait_for(waiting, 5)
        assert token_of(address) == "new"
        await asyncio.wait_for(address.changed(Secret("another")), 5)

    asyncio.run(scenario())


def test_a_new_token_in_the_file_is_found(tmp_path: Path):
    async def scenario() -> None:
        path = tmp_path / "token"
        address = TokenAddress("wss://x", "key", token_file=path)
        with pytest.raises(AuthError, match="can't be read"):
            address.url()
        waiting = asyncio.create_task(address.changed(Secret("none")))
        await asyncio.sleep(0)
        written(path, "first")
        await asyncio.wait_for(waiting, 5)
        refused = address.url()
        waiting = asyncio.create_task(address.changed(refused))
        await asyncio.sleep(0)
        path.unlink()
        written(path, "second")
        await asyncio.wait_for(waiting, 5)
        assert token_of(address) == "second"

    asyncio.run(scenario())


def test_of_file_and_hand_over_the_later_one_counts(tmp_path: Path):
    path = written(tmp_path / "token", "filed")
    address = TokenAddress("wss://x", "key", access_token=Secret("given"), token_file=path)
    assert token_of(address) == "given", "the file is older than the start"
    written(path, "filed-later")
    assert token_of(address) == "filed-later"
    address.replace(Secret("handed"))
    assert token_of(address) == "handed"
    written(path, "filed-again")
    assert token_of(address) == "filed-again"
    path.unlink()
    assert token_of(address) == "filed-again"
    written(path, "filed-unseen")
    address.replace(Secret("handed-later"))
    assert token_of(address) == "handed-later"


def test_no_token_is_shown():
    address = TokenAddress("wss://x", "key", access_token=Secret("t0psecret"))
    assert "t0psecret" not in repr(address.url()) + repr(vars(address))
