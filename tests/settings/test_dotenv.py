"""A ``.env``: what is taken from it, and when it is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.errors import ConfigError
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.settings.dotenv import read_dotenv, secrets_in, with_dotenv

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KITE_API_KEY=abc", "abc"),
        ("  export KITE_API_KEY = abc  ", "abc"),
        ("KITE_API_KEY='a b#c'", "a b#c"),
        ('KITE_API_KEY="a b" # the app\'s', "a b"),
        ("KITE_API_KEY=abc # comment", "abc"),
        ("# KITE_API_KEY=abc", None),
        ("KITE_API_KEY=", None),
        ("KITE_API_KEY", None),
        ("export KITE_API_KEY", None),
        ("KITE_API_KEY= # none yet", None),
        ("OTHER=$KITE_API_KEY", None),
        ("KITE_API_KEY_2=a b", None),
        ("KITE_API_KEY=abc#def", "abc#def"),
        ("KITE_API_KEY=#abc", "#abc"),
        ("KITE_API_KEY=a$b\\c", "a$b\\c"),
        ("KITE_API_KEY=''", None),
        ("KITE_API_KEY=' abc '", "abc"),
        (r'KITE_API_KEY="a\"b\\\$\d" # x', r'a"b\$\d'),
        ("KITE_API_KEY=abc\r", "abc"),
        ("\ufeffKITE_API_KEY=abc", "abc"),
        ("KITE_API_KEY=one\nKITE_API_KEY=two", "two"),
    ],
)
def test_lines_are_read_as_a_shell_would(line: str, value: str | None):
    assert secrets_in(line.encode(), ".env").get("KITE_API_KEY") == value


@pytest.mark.parametrize(
    "line",
    [
        *(
            "KITE_PASSWORD=canary b",
            "KITE_PASSWORD=canary'd e'",
            "KITE_PASSWORD='canary'\\''s'",
            'KITE_PASSWORD="canary"cd',
        ),
        *("KITE_PASSWORD='canary", 'KITE_PASSWORD="canary\\"', "KITE_PASSWORD: canary", "- KITE_PASSWORD=canary"),
        *(
            "KITE_PASSWORD=canary# b",
            "KITE_PASSWORD=canary\u2028b",
            'KITE_PASSWORD="canary\x0bb"',
            "KITE_PASSWORD='canary\u2028b'",
        ),
        *("KITE_PASSWORD=canary\rb", "KITE_PASSWORD=canary\x1bb", 'KITE_PASSWORD="a" KITE_API_KEY="canary"'),
    ],
)
def test_a_line_of_ours_that_can_t_be_read_is_refused_by_its_number_and_unseen(dotenv: Path, line: str):
    dotenv.write_bytes(f"# a comment about KITE_PASSWORD\nBEGIN KEY\n{line}\n".encode())
    with pytest.raises(ConfigError, match=r"^\.env:3") as raised:
        read_dotenv()
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_is_refused(dotenv: Path, encoding: str):
    dotenv.write_bytes("# für\nKITE_PASSWORD=canaryü\n".encode(encoding))
    with pytest.raises(ConfigError, match="UTF-8") as raised:
        read_dotenv()
    assert "canary" not in str(raised.value)
    dotenv.write_bytes("# für\nKITE_PASSWORD=pw\nOTHER=ü\n".encode("latin-1"))
    assert read_dotenv() == {"KITE_PASSWORD": "pw"}, "what isn't ours may be anything"


def test_only_secrets_are_taken(dotenv: Path):
    dotenv.write_text("KITE_API_ROOT=https://evil\nPATH=/evil\nKITE_ENVIRONMENT=sim\nKITE_PASSWORD=pw\n")
    assert read_dotenv() == {"KITE_PASSWORD": "pw"}


def test_none_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert read_dotenv() == {}
    (tmp_path / ".env").mkdir()
    assert read_dotenv() == {}


@pytest.mark.skipif(sys.platform == "win32", reason="rights are kept elsewhere there")
def test_one_that_others_can_read_is_refused_if_it_holds_secrets(dotenv: Path):
    dotenv.chmod(0o644)
    dotenv.write_text("DATABASE=x\n")
    assert read_dotenv() == {}
    dotenv.write_text("KITE_API_KEY=abc\n")
    with pytest.raises(ConfigError) as raised:
        read_dotenv()
    assert "chmod 600" in raised.value.hint


def test_the_environment_wins_over_it(dotenv: Path):
    dotenv.write_text("KITE_API_KEY=abc\nKITE_API_SECRET=def\n")
    assert with_dotenv({"KITE_API_KEY": "xyz"}) == {"KITE_API_KEY": "xyz", "KITE_API_SECRET": "def"}


def test_settings_take_it_and_say_so(dotenv: Path):
    dotenv.write_text("KITE_API_KEY=abc\n")
    settings = load()
    assert settings.kite.api_key == Secret("abc")
    assert "KITE_API_KEY" in settings.exposed
    assert "abc" not in settings.exposed
    assert load(environ={}).exposed == ""


def test_a_simulated_exchange_s_credentials_are_not_worth_a_word():
    assert load(environ={"KITE_API_KEY": "abc", "KITE_ENVIRONMENT": "sim"}).exposed == ""


@pytest.mark.skipif(not (CHECKOUT / ".git").exists() or not shutil.which("git"), reason="needs the repository")
@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "prod.env", "config/config.yaml", "default.vault", ".default.vault.0a1b2c3d"),
        *("copy.vault", "default.tries", "access_token", "access_token.txt", "today.token", "credentials.json"),
        *("key.pem", "my.key", "kite.log", "recordings/x"),
    ],
)
def test_git_ignores_what_holds_secrets(name: str):
    ignored = subprocess.run(["git", "-C", str(CHECKOUT), "check-ignore", "-q", "--no-index", name], check=False)
    assert ignored.returncode == 0


def test_the_example_is_committed():
    example = CHECKOUT / "config" / "env.example"
    assert (CHECKOUT / ".env.example").read_bytes() == example.read_bytes(), "where people look for it"
