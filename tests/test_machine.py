"""The checks behind ``kite doctor``, each with a machine that lacks something."""

from __future__ import annotations

import platform
import ssl
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kitecli import machine
from kitecli.errors import ConfigError
from kitecli.machine import (
    EARLIEST_NS,
    Check,
    check_clock,
    check_compiled,
    check_cpus,
    check_disk,
    check_machine,
    check_memory,
    check_package,
    check_platform,
    check_python,
    check_ring,
    check_secrets,
    check_trust,
    check_vault,
    usable,
)
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.vault import Vault, vault_path


def settings(**environ: str):
    return load(environ=environ)


def test_every_check_is_made_once_and_says_what_to_do_unless_ok():
    checks = check_machine(settings)
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    assert {
        "Python",
        "compiled pass",
        "package numpy",
        "configuration",
        "disk",
        "shared memory",
        "TLS trust",
        "clock",
    } <= {*names}
    assert all(bool(check.advice) == (check.state != "ok") for check in checks)
    assert usable(checks)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    vault = Vault(vault_path())
    vault.create(Secret("correct horse battery")).close()
    return vault


def test_a_vault_is_described_and_none_is_no_failure(vault: Vault):
    assert "Argon2id" in check_vault("default").found
    assert check_vault("second") == Check("vault", "ok", "none; kite creds setup makes one")


def test_a_vault_that_others_can_read_or_that_is_damaged_fails(vault: Vault):
    vault.path.chmod(0o644)
    shown = check_vault("default")
    assert (shown.state, "chmod 600" in shown.advice) == ("fail", True)
    vault.path.chmod(0o600)
    vault.path.write_bytes(b"kite")
    damaged = check_vault("default")
    assert (damaged.state, "restore" in damaged.advice) == ("fail", True)


def test_secrets_in_the_open_are_warned_about_by_name():
    rows = list(check_secrets(settings(KITE_API_KEY="canary", KITE_PASSWORD="canary")))
    assert [(row.state, row.found) for row in rows[1:]] == [
        ("warn", "KITE_API_KEY, KITE_PASSWORD in the environment or .env")
    ]
    assert [row.name for row in check_secrets(settings())] == ["vault"]
    assert list(check_secrets(None)) == []


def test_a_failure_makes_it_unusable_and_a_warning_does_not():
    assert usable([Check("a", "ok", ""), Check("b", "warn", "", "x")])
    assert not usable([Check("a", "ok", ""), Check("b", "fail", "", "x")])


@pytest.mark.parametrize(("version", "state"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok")])
def test_python(version: tuple[int, ...], state: str):
    assert check_python(version).state == state


def test_to_tell_the_platform_no_process_is_started(monkeypatch: pytest.MonkeyPatch):
    """Python's own platform.platform() runs uname, which is then given the secrets of our environment."""
    monkeypatch.setattr(platform, "_platform_cache", {})
    monkeypatch.setattr(platform, "_uname_cache", None)
    monkeypatch.setattr("subprocess.Popen", None)
    assert platform.release() in check_platform(sys.platform).found


@pytest.mark.parametrize(("name", "state"), [("linux", "ok"), ("darwin", "warn"), ("win32", "warn")])
def test_platform(name: str, state: str):
    assert check_platform(name).state == state


@pytest.mark.parametrize(("count", "state"), [(1, "warn"), (2, "ok")])
def test_processors(count: int, state: str):
    assert check_cpus(count).state == state


@pytest.mark.parametrize(("advised", "state"), [(1, "ok"), (10**18, "warn")])
@pytest.mark.skipif(sys.platform == "win32", reason="not told there")
def test_memory(monkeypatch: pytest.MonkeyPatch, advised: int, state: str):
    monkeypatch.setattr(machine, "MEMORY_ADVISED_BYTES", advised)
    assert [check.state for check in check_memory()] == [state]


def test_compiled_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KITE_PURE", raising=False)
    monkeypatch.setattr("kitecli.hot.COMPILED", True)
    assert check_compiled() == Check("compiled pass", "ok", "live")
    monkeypatch.setattr("kitecli.hot.COMPILED", False)
    monkeypatch.setattr("kitecli.hot.WHY_NOT", "no compiler")
    missing = check_compiled()
    assert missing.state == "warn"
    assert "no compiler" in missing.found
    assert "apt-get install gcc" in missing.advice
    monkeypatch.setenv("KITE_PURE", "1")
    assert "unset KITE_PURE" in check_compiled().advice


def test_packages():
    assert check_package("numpy").state == "ok"
    missing = check_package("no_such_package")
    assert missing.state == "fail"
    assert "pip install" in missing.advice


@pytest.mark.parametrize(("free_gb", "state"), [(1.4, "warn"), (2.0, "ok")])
def test_the_disk(free_gb: float, state: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The folder may not be there yet; what recordings leave to others is none of its room."""
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data" / "kite"))
    room = {tmp_path: SimpleNamespace(free=round(free_gb * 1e9))}
    monkeypatch.setattr("shutil.disk_usage", room.__getitem__)
    row = check_disk(settings(KITE_DATAFEED_STORE_KEEP_FREE="500"))
    assert (row.state, bool(row.advice)) == (state, state == "warn")
    assert f"{free_gb} GB" in row.found
    assert check_disk(None).state == "ok", "without settings only our own need counts"


def test_a_disk_that_can_t_be_asked_is_a_row_too(monkeypatch: pytest.MonkeyPatch):
    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("shutil.disk_usage", refused)
    assert (check_disk(None).state, "KITE_DATA_DIR" in check_disk(None).advice) == ("fail", True)


def test_the_ring_must_fit(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    assert check_ring(settings()).state == "ok"
    monkeypatch.setattr("kitecli.ring.location.free_bytes", lambda folder: 64 * 2**20)
    full = check_ring(settings())
    assert full.state == "fail"
    assert "67 MB free, the ring takes 91 MB" in full.found
    assert "memory-efficiency" in full.advice
    assert check_ring(settings(KITE_PROFILE="memory-efficiency")).state == "ok"
    assert check_ring(settings(KITE_PERFORMANCE_USE_MMAP="false")).state == "ok"


def test_a_runtime_folder_that_cant_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "file"))
    assert check_ring(settings()).state == "fail"
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "link"))
    assert "not yours" in check_ring(settings()).found


def test_without_a_configuration_the_ring_is_not_checked():
    def broken():
        raise ConfigError("performance.buffer_size is 'many'", why="line 3", hint="correct line 3")

    checks = {check.name: check for check in check_machine(broken)}
    assert checks["configuration"] == Check(
        "configuration", "fail", "performance.buffer_size is 'many': line 3", "correct line 3"
    )
    assert checks["shared memory"].state == "warn"


def test_trust_store(monkeypatch: pytest.MonkeyPatch, tmp_path):
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths._replace(capath=str(tmp_path)))
    assert check_trust(empty).state == "fail"
    (tmp_path / "ca.pem").write_text("")
    assert check_trust(empty).state == "ok"


def test_clock():
    assert check_clock(EARLIEST_NS).state == "ok"
    assert check_clock(0).found == "says 1970"
