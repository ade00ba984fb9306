"""Where the access token comes from, and what is refused of a file."""

import asyncio
import sys

import pytest

from kitecli.errors import AuthError
from kitecli.feed.address import FixedAddress, TokenFileAddress
from kitecli.secret import Secret

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps access rights elsewhere")


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "access_token"

    def write(token, mode=0o600):
        path.touch()
        path.chmod(mode)
        path.write_text(token)
        return path

    return write


def test_a_fixed_address_never_changes():
    fixed = FixedAddress(Secret("ws://broker"))
    assert fixed.url() == Secret("ws://broker")
    with pytest.raises(AuthError, match="no other"):
        asyncio.run(fixed.changed(Secret("ws://broker")))


def test_the_token_of_a_file_is_read_at_every_connect(token_file):
    address = TokenFileAddress("wss://broker", "key", token_file("one\n"), user_id="AB1234")
    assert address.url().reveal() == "wss://broker?api_key=key&user_id=AB1234&access_token=one"
    token_file("t+w/o")
    assert address.url().reveal().endswith("access_token=t%2Bw%2Fo")


def test_a_new_token_is_noticed(token_file):
    async def scenario():
        address = TokenFileAddress("wss://broker", "key", token_file("old"))
        waiting = asyncio.create_task(address.changed(address.url()))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        token_file("")  # as it is for a moment while somebody writes it
        await asyncio.sleep(0.3)
        assert not waiting.done()
        token_file("new")
        await asyncio.wait_for(waiting, 2)

    asyncio.run(scenario())


@posix
def test_a_file_that_others_can_read_is_refused(token_file):
    address = TokenFileAddress("wss://broker", "key", token_file("tok3n", 0o640))
    with pytest.raises(AuthError, match="0640") as refusal:
        address.url()
    assert "chmod 600" in refusal.value.hint
    assert "tok3n" not in str(refusal.value)


@pytest.mark.parametrize("content", ["", "\n", "two words", "två"])
def test_what_is_no_token_is_refused_without_showing_it(token_file, content):
    with pytest.raises(AuthError) as refusal:
        TokenFileAddress("wss://broker", "key", token_file(content)).url()
    assert not content.strip() or content not in str(refusal.value)
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(AuthError, match="No such file"):
        TokenFileAddress("wss://broker", "key", tmp_path / "nowhere").url()
