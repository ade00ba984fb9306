"""What a vault holds, in the open."""

from __future__ import annotations

from datetime import datetime

import pytest

from kitecli.errors import UsageError, VaultDamaged
from kitecli.secret import CREDENTIALS, Secret
from kitecli.vault.entries import VALUE_BYTES_MAX, AccessToken, Entries
from tests.vault.made import SIX


def test_credentials_and_the_token_come_back_from_their_bytes_in_order():
    entries = Entries()
    for name in CREDENTIALS:
        entries.set(name, Secret(f"value of {name} é"))
    entries.set_token(AccessToken("AB1234", Secret("tok"), SIX))
    again = Entries(entries.to_bytes())
    assert again.names == (*CREDENTIALS, "access_token")
    assert [again.get(name) for name in CREDENTIALS] == [Secret(f"value of {name} é") for name in CREDENTIALS]
    assert again.token() == AccessToken("AB1234", Secret("tok"), SIX)


def test_what_is_not_kept_is_none_and_removing_it_is_no_error():
    entries = Entries()
    assert (entries.get("api_key"), entries.token()) == (None, None)
    entries.remove("api_key")


def test_the_last_value_counts_and_the_one_before_is_overwritten():
    entries = Entries()
    entries.set("api_key", Secret("first"))
    kept = entries._by_name["api_key"].value
    entries.set("api_key", Secret("second"))
    assert entries.get("api_key") == Secret("second")
    assert kept == bytes(5)


@pytest.mark.parametrize("name", ["access_token", "pin", "", "API_KEY"])
def test_other_names_are_refused(name: str):
    with pytest.raises(UsageError, match="no credential"):
        Entries().set(name, Secret("x"))
    with pytest.raises(UsageError, match="no credential"):
        Entries().get(name)


@pytest.mark.parametrize("length", [0, VALUE_BYTES_MAX + 1])
def test_values_have_a_length(length: int):
    with pytest.raises(UsageError):
        Entries().set("api_key", Secret("x" * length))


def test_values_are_text():
    with pytest.raises(UsageError, match="UTF-8"):
        Entries().set("api_key", Secret(bytearray(b"k\xe9y")))


@pytest.mark.parametrize("value", ["canary\nx", "canary\0x"])
def test_values_are_one_line_and_what_stands_around_it_is_dropped(value: str):
    entries = Entries()
    for put in (
        lambda secret: entries.set("api_key", secret),
        lambda secret: entries.set_token(AccessToken("AB1234", secret, SIX)),
    ):
        with pytest.raises(UsageError, match="can't be kept") as raised:
            put(Secret(value))
        assert "canary" not in str(raised.value)
        put(Secret("  spaced key \n"))
    assert entries.get("api_key") == Secret("spaced key")
    assert entries.token() == AccessToken("AB1234", Secret("spaced key"), SIX)
    with pytest.raises(UsageError, match="0 bytes"):
        entries.set("api_key", Secret(" \n"))


def test_a_token_needs_an_end_with_a_zone():
    with pytest.raises(UsageError, match="zone"):
        Entries().set_token(AccessToken("AB1234", Secret("tok"), datetime(2026, 11, 24, 6)))  # noqa: DTZ001


def test_what_has_ended_is_named_to_the_second():
    entries = Entries()
    entries.set("api_key", Secret("x"))
    entries.set_token(AccessToken("AB1234", Secret("tok"), SIX))
    assert entries.ended(SIX.timestamp() - 1) == []
    assert entries.ended(SIX.timestamp()) == ["access_token"]


@pytest.mark.parametrize("content", [b"\xff", b"\x03abc", b"\x01\xff" + bytes(10), b"\x01a" + bytes(8) + b"\x05\0four"])
def test_bytes_that_are_no_entries_are_damage(content: bytes):
    with pytest.raises(VaultDamaged):
        Entries(bytearray(content))


def test_the_bytes_it_was_made_of_and_what_it_held_are_overwritten():
    entries = Entries()
    entries.set("api_key", Secret("canary"))
    content = entries.to_bytes()
    again = Entries(content)
    assert content == bytes(len(content))
    kept = again._by_name["api_key"].value
    again.wipe()
    assert (kept, again.names) == (bytes(6), ())
