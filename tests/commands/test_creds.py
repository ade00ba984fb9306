"""``kite creds``, through Typer's runner and in real processes at a terminal of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.vault.layout import Sealed
from tests.commands.at_terminal import AtTerminal
from tests.commands.every_verb import every_verb
from tests.vault.keyring_of_tests import forget_modules, write_keyring
from tests.vault.made import quickly

PASSWORD, OTHER = "correct horse battery", "another good password"
LINES = "KITE_API_KEY=the-key\nexport KITE_API_SECRET='the-secret' # of the app\nPATH=/bin\n"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fd() -> Iterator[Callable[[str], str]]:
    """The number of a descriptor with a password behind it."""
    ends: list[int] = []

    def make(text: str) -> str:
        reading, writing = os.pipe()
        os.write(writing, text.encode() + b"\n")
        os.close(writing)
        ends.append(reading)
        return str(reading)

    yield make
    for end in ends:
        os.close(end)


@pytest.fixture
def creds(fd):
    """Runs ``kite creds …``; a password or two are given by descriptors."""

    def run(*arguments: str, stdin: str = "", password: str = "", new: str = "", ends: int = 0):
        given = ["--password-fd", fd(password)] if password else []
        given += ["--new-password-fd", fd(new)] if new else []
        result = CliRunner().invoke(app, ["creds", *arguments, *given], input=stdin)
        assert result.exit_code == ends, result.output
        return result

    return run


@pytest.fixture
def made(creds, tmp_path: Path) -> Path:
    creds("setup", stdin=LINES, password=PASSWORD)
    return tmp_path / "data" / "vault" / "default.vault"


def told(result) -> dict[str, object]:
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_setup_keeps_what_stdin_says_and_status_shows_it_masked(creds, made: Path):
    shown = creds("status", password=PASSWORD).stdout
    rows = dict(line.split("\t") for line in shown.splitlines())
    assert rows["api_key"] == rows["api_secret"] == "********"
    assert rows["totp_secret"] == "not set"
    assert (rows["cipher"], rows["rights"]) == ("AES-256-GCM", "0600 in 0700")
    assert rows["kdf"] == "Argon2id, 64 MiB, 3 passes, 4 lanes"
    assert "the-key" not in shown


def test_without_the_password_status_tells_of_the_file_alone(creds, made: Path):
    assert "locked" in creds("status").stdout
    document = told(creds("status", "--json"))
    assert (document["locked"], document["vault"]) == (True, str(made))
    assert "secrets" not in document


@pytest.mark.parametrize("value", ["x" * 5000, "k\udce9y"])
def test_where_it_can_t_be_filled_no_vault_is_left(creds, tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_API_SECRET", value)
    monkeypatch.setenv("KITE_API_KEY", "the-key")
    creds("import-env", password=PASSWORD, ends=2)
    assert list((tmp_path / "data" / "vault").iterdir()) == []
    monkeypatch.setenv("KITE_API_SECRET", "the-secret")
    creds("import-env", password=PASSWORD)
    monkeypatch.setenv("KITE_API_SECRET", value)
    creds("import-env", password=PASSWORD, ends=2)
    assert told(creds("status", "--json", password=PASSWORD))["locked"] is False, "one that was there stays"


def test_a_descriptor_that_there_can_t_be_is_a_mistake_of_the_user_s(creds, made: Path):
    assert "can't be read" in creds("rotate", "--password-fd", "9" * 20, ends=2).stderr


def test_a_second_setup_is_refused_before_anything_is_asked(creds, made: Path):
    before = made.read_bytes()
    assert "kite creds reset" in creds("setup", ends=2).stderr
    assert made.read_bytes() == before


@pytest.mark.parametrize("verb", ["status", "rotate", "change-password", "reset", "set api_key", "backup there"])
def test_without_a_vault_each_verb_says_how_to_make_one(creds, verb: str):
    result = creds(*verb.split(), "--json", ends=4)
    assert json.loads(result.stderr)["error"] == "no-vault"
    assert "kite creds setup" in json.loads(result.stderr)["hint"]


def test_a_wrong_password_and_damage_are_told_apart(creds, made: Path):
    wrong = creds("rotate", "--json", password=OTHER, ends=4)
    assert json.loads(wrong.stderr)["error"] == "wrong-password"
    made.write_bytes(made.read_bytes()[:-1])
    damaged = creds("rotate", "--json", password=PASSWORD, ends=6)
    assert json.loads(damaged.stderr)["error"] == "vault-damaged"


def test_pbkdf2_can_be_chosen_and_nothing_else(creds, tmp_path: Path):
    creds("setup", "--kdf", "scrypt", ends=2)
    creds("setup", "--kdf", "pbkdf2", password=PASSWORD)
    assert told(creds("status", "--json"))["kdf"] == "PBKDF2-HMAC-SHA256, 600,000 iterations"


def test_one_credential_is_set_and_removed(creds, fd, made: Path):
    creds("set", "user_id", stdin="AB1234\n", password=PASSWORD)
    creds("set", "totp_secret", "--value-fd", fd("SEED"), password=PASSWORD)
    creds("set", "api_key", "--remove", password=PASSWORD)
    secrets = told(creds("status", "--json", password=PASSWORD))["secrets"]
    assert {name for name, kept in secrets.items() if kept} == {"api_secret", "user_id", "totp_secret"}


def test_the_secrets_of_alerts_are_kept_beside_them(creds, made: Path, monkeypatch: pytest.MonkeyPatch):
    creds("set", "telegram_token", stdin="123456:the-bot\n", password=PASSWORD)
    monkeypatch.setenv("KITE_WEBHOOK_URL", "https://hooks.example/the-hook")
    assert told(creds("import-env", "--json", password=PASSWORD))["kept"] == ["webhook_url"]
    shown = creds("status", password=PASSWORD).stdout
    rows = dict(line.split("\t") for line in shown.splitlines())
    assert rows["telegram_token"] == rows["webhook_url"] == "********"
    assert "the-bot" not in shown
    assert "the-hook" not in shown
    creds("set", "telegram_token", "--remove", password=PASSWORD)
    secrets = told(creds("status", "--json", password=PASSWORD))["secrets"]
    assert isinstance(secrets, dict)
    assert (secrets["telegram_token"], secrets["webhook_url"]) == (False, True)


def test_an_access_token_lasts_until_six(creds, made: Path):
    creds("set", "access_token", stdin="tok\n", password=PASSWORD)
    until = str(told(creds("status", "--json", password=PASSWORD))["access_token_until"])
    assert until.endswith("T06:00:00+05:30")


def test_another_name_is_refused_before_the_password_is_asked_for(creds, made: Path):
    assert "totp_secret" in creds("set", "pin", ends=2).stderr


def test_rotate_changes_the_key_and_change_password_the_password(creds, made: Path):
    before = Sealed.parse(made.read_bytes()).key_id.hex()
    key_id = told(creds("rotate", "--json", password=PASSWORD))["key_id"]
    assert key_id != before
    creds("change-password", password=PASSWORD, new=OTHER)
    assert Sealed.parse(made.read_bytes()).key_id.hex() == key_id
    creds("status", password=PASSWORD, ends=4)
    creds("status", password=OTHER)


def test_reset_asks_and_then_nothing_is_left(creds, made: Path):
    assert "--yes" in creds("reset", ends=2).stderr
    assert made.exists()
    creds("reset", "--yes")
    assert list(made.parent.iterdir()) == []


def test_a_backup_brings_everything_back_and_replaces_only_when_told(creds, made: Path, tmp_path: Path):
    copy = tmp_path / "copy.vault"
    creds("backup", str(copy))
    assert copy.stat().st_mode & 0o077 == 0
    assert "exists" in creds("backup", str(copy), ends=2).stderr
    creds("set", "api_key", "--remove", password=PASSWORD)
    creds("restore", str(copy), "--yes", password=OTHER, ends=4)
    assert "--yes" in creds("restore", str(copy), password=PASSWORD, ends=2).stderr
    creds("restore", str(copy), "--yes", password=PASSWORD)
    assert made.read_bytes() == copy.read_bytes()
    creds("restore", str(tmp_path / "none"), ends=2)
    (tmp_path / "bad").write_bytes(b"kite")
    creds("restore", str(tmp_path / "bad"), ends=6)


def test_import_env_takes_the_environment_and_a_dotenv(creds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert "nothing to import" in creds("import-env", ends=2).stderr
    (tmp_path / ".env").write_text(LINES)
    (tmp_path / ".env").chmod(0o644)
    assert "chmod 600" in creds("import-env", password=PASSWORD, ends=3).stderr
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.setenv("KITE_API_KEY", "newer")
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "tok")
    kept = told(creds("import-env", "--json", password=PASSWORD))["kept"]
    assert sorted(map(str, kept)) == ["access_token", "api_key", "api_secret"]  # type: ignore[call-overload]
    (tmp_path / ".env").unlink()
    creds("import-env", password=PASSWORD)  # into the one that is there


def test_accounts_have_vaults_of_their_own(fd, tmp_path: Path):
    for name in ("first", "second"):
        arguments = ["--set", f"kite.account={name}", "creds", "setup", "--password-fd", fd(PASSWORD)]
        assert CliRunner().invoke(app, arguments, input="").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "data" / "vault").iterdir()) == ["first.vault", "second.vault"]


def test_no_option_takes_a_secret():
    verbs = [verb for verb in every_verb() if verb.startswith("creds ")]
    assert verbs
    for verb in verbs:
        for line in CliRunner().invoke(app, [*verb.split(), "--help"]).stdout.splitlines():
            words = line.split()
            if words and words[0].startswith("--") and len(words) > 1 and words[1].isupper():
                assert words[0] == "--kdf" or words[1] in {"INTEGER", "PATH"}, line


# --- a keyring ---


@pytest.fixture
def with_keyring(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    forget_modules()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield write_keyring(tmp_path / "site")
    forget_modules()


def test_a_keyring_opens_the_vault_and_follows_the_password(creds, with_keyring: Path):
    creds("keyring", password=PASSWORD)
    document = told(creds("status", "--json"))
    assert (document["locked"], document["opens_without_terminal"]) == (False, ["keyring"])
    changed = creds("change-password", "--json", password=PASSWORD, new=OTHER)
    assert told(changed)["keyring"] is True
    assert told(creds("status", "--json"))["locked"] is False
    creds("keyring", "--off")
    assert told(creds("status", "--json"))["locked"] is True


@pytest.mark.parametrize("way", ["descriptor", "systemd"])
def test_what_holds_the_password_opens_it_to_change_it_and_the_keyring_doesn_t(
    creds, fd, with_keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
):
    """The keyring holds a key that outlives the password's knowing: who changes the password has to know it."""
    creds("keyring", password=PASSWORD)
    assert "no terminal to ask at" in creds("change-password", new=OTHER, ends=4).stderr
    if way == "descriptor":
        monkeypatch.setenv("KITE_VAULT_FD", fd(PASSWORD))
    else:
        (tmp_path / "kite-password-default").write_text(PASSWORD)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    creds("change-password", new=OTHER)
    creds("rotate", password=OTHER)


def test_a_locked_keyring_keeps_nobody_from_destroying_the_vault(creds, with_keyring: Path, made: Path):
    creds("keyring", password=PASSWORD)
    (with_keyring / "locked").touch()
    assert "keyring is locked" in creds("reset", "--yes", ends=8).stderr
    assert not made.exists()


def test_with_a_locked_keyring_no_verb_goes_on_without_being_told_the_password(creds, with_keyring: Path):
    creds("keyring", password=PASSWORD)
    (with_keyring / "locked").touch()
    for verb in ("status", "rotate"):
        refused = json.loads(creds(verb, "--json", ends=8).stderr)
        assert refused["what"] == "The keyring is locked"
        assert "KITE_VAULT_FD" in refused["hint"]
    assert told(creds("status", "--json", password=PASSWORD))["locked"] is False


def test_a_locked_keyring_that_can_t_follow_the_password_is_said(creds, with_keyring: Path):
    creds("keyring", password=PASSWORD)
    (with_keyring / "locked").touch()
    changed = creds("change-password", "--json", password=PASSWORD, new=OTHER)
    assert told(changed)["keyring"] is False
    assert "kite creds keyring" in changed.stderr
    (with_keyring / "locked").unlink()
    assert "the new key: kite creds keyring" in creds("status", ends=4).stderr
    assert told(creds("status", "--json", password=OTHER))["locked"] is False


# --- at a terminal ---

pty_only = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")


@pty_only
def test_setup_at_a_terminal_asks_and_shows_nothing_that_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with AtTerminal("creds", "setup") as kite:
        kite.answer("New password", PASSWORD)
        kite.answer("The same again", PASSWORD)
        kite.answer("api_key", "the-key")
        for prompt in ("api_secret", "user_id", "password of your Kite account"):
            kite.answer(prompt, "the-" + prompt[:4])
        kite.answer("totp_secret", "")
        assert kite.ends() == 0
    assert "holds api_key, api_secret, user_id, password." in kite.seen
    assert not any(word in kite.seen for word in (PASSWORD, "the-key", "the-api_"))
    (write_keyring(tmp_path / "site") / "locked").touch()  # so that it can't open the vault, and doesn't keep from it
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    with AtTerminal("creds", "status") as kite:
        kite.shows("the keyring is locked")
        kite.answer("Enter: leave it locked", PASSWORD)
        assert kite.ends() == 0
    assert "totp_secret" in kite.seen
    with AtTerminal("creds", "status") as kite:
        kite.answer("Enter: leave it locked", "")
        assert kite.ends() == 0
    assert "locked: the password tells" in kite.seen


@pty_only
def test_two_passwords_that_differ_make_no_vault(tmp_path: Path):
    with AtTerminal("creds", "setup") as kite:
        kite.answer("New password", PASSWORD)
        kite.answer("The same again", OTHER)
        assert kite.ends() == 2
    assert "differ" in kite.seen
    assert not (tmp_path / "data" / "vault").exists()


@pty_only
def test_reset_takes_no_for_an_answer(made: Path):
    with AtTerminal("creds", "reset") as kite:
        kite.answer("Destroy", "n")
        assert kite.ends() == 1
    assert made.exists()
    with AtTerminal("creds", "reset") as kite:
        kite.answer("Destroy", "y")
        assert kite.ends() == 0
    assert not made.exists()
