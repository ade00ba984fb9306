"""What kite needs of this machine, checked one by one: ``kite doctor`` prints it.

A check never raises for what it looks for: a missing package is a row that says what to do.
"""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Final, Literal

from kitecli.errors import KiteError
from kitecli.files import can_write_in
from kitecli.folders import data_dir
from kitecli.settings import Settings

State = Literal["ok", "warn", "fail"]

PACKAGES: Final = (
    *("typer", "rich", "numpy", "pyyaml", "picows"),
    *("kiteconnect", "requests", "cryptography", "pyotp"),
)
MODULE_OF: Final = {"pyyaml": "yaml"}
PYTHON_MINIMUM: Final = (3, 11)
MEMORY_ADVISED_BYTES: Final = 8 * 10**9
DISK_ADVISED_BYTES: Final = 10**9
"""For masters and candles, and some hours of a small recording; docs/record.md says what a day takes."""
# The clock of a machine that kite runs on can't be earlier than kite: 1 November 2026.
EARLIEST_NS: Final = 1_793_491_200 * 10**9


@dataclass(frozen=True, slots=True)
class Check:
    """``state`` is fail where kite can't work, warn where it works less well; then ``advice`` says what to do."""

    name: str
    state: State
    found: str
    advice: str = ""


def check_machine(load_settings: Callable[[], Settings]) -> list[Check]:
    """Every check, in the order in which a failure explains the ones below it."""
    settings, configuration = _load(load_settings)
    return [
        check_python(sys.version_info[:3]),
        check_platform(sys.platform),
        check_cpus(_cpus()),
        *check_memory(),
        check_compiled(),
        *(check_package(name) for name in PACKAGES),
        configuration,
        *check_secrets(settings),
        check_disk(settings),
        check_ring(settings),
        check_trust(ssl.create_default_context()),
        check_clock(time.time_ns()),
    ]


def usable(checks: list[Check]) -> bool:
    """Whether kite can work here; warnings are allowed."""
    return all(check.state != "fail" for check in checks)


def check_python(version: tuple[int, ...]) -> Check:
    found = ".".join(map(str, version)) + f" ({platform.python_implementation()})"
    if version < PYTHON_MINIMUM:
        return Check("Python", "fail", found, "install Python 3.11 or later")
    return Check("Python", "ok", found)


def operating_system() -> str:
    """As ``Linux-6.1.0-x86_64-glibc2.36``. platform.platform() would run ``uname -p``, and hand our secrets to it."""
    words = (platform.system(), platform.release(), platform.machine(), "".join(platform.libc_ver()))
    return "-".join(filter(None, words))


def check_platform(name: str) -> Check:
    if name == "linux":
        return Check("platform", "ok", operating_system())
    return Check("platform", "warn", operating_system(), "kite is tested on Linux; report what fails elsewhere")


def check_cpus(count: int) -> Check:
    if count >= 2:
        return Check("processors", "ok", str(count))
    return Check("processors", "warn", str(count), "feed and readers share one: give kite two for steady latency")


def check_memory() -> Iterator[Check]:
    """The machine's memory, where the platform tells it."""
    if sys.platform == "win32":
        return
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = f"{total / 1e9:.1f} GB"
    if total >= MEMORY_ADVISED_BYTES:
        yield Check("memory", "ok", found)
    else:
        yield Check("memory", "warn", found, "8 GB are recommended; with less, use --profile memory-efficiency")


def check_compiled() -> Check:
    try:
        from kitecli.hot import COMPILED, WHY_NOT
    except ImportError as error:
        return Check("compiled pass", "fail", str(error), "reinstall kite; the rows below say what is missing")
    if COMPILED:
        return Check("compiled pass", "ok", "live")
    if os.environ.get("KITE_PURE") == "1":
        return Check("compiled pass", "warn", f"off: {WHY_NOT}", "unset KITE_PURE for full speed")
    return Check(
        "compiled pass",
        "warn",
        f"off, the reference serves: {WHY_NOT}",
        "for full speed install a C compiler (apt-get install gcc python3-dev) and then kite again",
    )


def check_package(name: str) -> Check:
    try:
        import_module(MODULE_OF.get(name, name))
        return Check(f"package {name}", "ok", metadata.version(name))
    except ImportError as error:  # PackageNotFoundError is one
        return Check(f"package {name}", "fail", f"can't be imported: {error}", "pip install --force-reinstall kitecli")


def check_secrets(settings: Settings | None) -> Iterator[Check]:
    """The account's vault and who could read it; secrets that stand in the open. No password is asked for.

    Where the configuration can't be read it doesn't say which account, and the vault is the one without a name.
    """
    yield check_vault(settings.kite.vault if settings else "default")
    if settings is None:
        return
    if settings.exposed:
        yield Check(
            "secrets in the open", "warn", settings.exposed.partition(" can be read")[0], "kite creds import-env"
        )


def check_vault(account: str) -> Check:
    """None is no failure: the simulated exchange and the environment's secrets need none."""
    from kitecli.vault import Vault, vault_path

    try:
        vault = Vault(vault_path(account))
        if not vault.exists():
            return Check("vault", "ok", "none; kite creds setup makes one")
        return Check("vault", "ok", f"{vault.path}, private, {vault.sealed().kdf}")
    except KiteError as error:
        return Check("vault", "fail", ": ".join(filter(None, (error.what, error.why))), error.hint)


def check_disk(settings: Settings | None) -> Check:
    """Room where masters, candles and recordings are kept; a feed stops recording at ``store_keep_free``."""
    folder = Path(data_dir()).absolute()
    advice = "set KITE_DATA_DIR to a folder of your own"
    try:
        standing = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(standing).free
    except OSError as error:
        why = error.strerror or str(error)
        return Check("disk", "fail", f"{folder}: {why}", advice)
    if not can_write_in(standing):
        return Check("disk", "fail", f"{standing} can't be written", advice)
    found = f"{folder}: {free / 1e9:,.1f} GB free"
    floor = settings.datafeed.store_keep_free * 10**6 if settings else 0
    if free > floor + DISK_ADVISED_BYTES:
        return Check("disk", "ok", found)
    return Check("disk", "warn", found, "free space, or set KITE_DATA_DIR to a roomier folder")


def check_ring(settings: Settings | None) -> Check:
    """The runtime folder, and whether the ring of these settings fits into it."""
    name = "shared memory"
    if settings is None:
        return Check(name, "warn", "not checked: the configuration can't be read", "correct the configuration")
    try:
        from kitecli.ring.layout import RingLayout
        from kitecli.ring.location import free_bytes, runtime_dir

        folder = runtime_dir()
        needed = RingLayout.of(settings.performance.ring_buffer_size).total_bytes
        return _ring_verdict(name, folder, needed, free_bytes(folder), shared=settings.performance.use_mmap)
    except KiteError as error:
        return Check(name, "fail", error.what, error.hint)
    except (ImportError, OSError) as error:
        return Check(name, "fail", str(error), "set KITE_RUNTIME_DIR to a folder of your own that can be written")


def _ring_verdict(name: str, folder: Path, needed: int, free: int, *, shared: bool) -> Check:
    found = f"{folder}: {free / 1e6:,.0f} MB free, the ring takes {needed / 1e6:,.0f} MB"
    if not shared:
        return Check(name, "ok", f"not used (performance.use_mmap is false); the ring takes {needed / 1e6:,.0f} MB")
    if free >= needed:
        return Check(name, "ok", found)
    advice = "use --profile memory-efficiency, or set KITE_RUNTIME_DIR to a roomier folder (docker run --shm-size=1g)"
    return Check(name, "fail", found, advice)


def check_trust(context: ssl.SSLContext) -> Check:
    """Certificates to know the broker's servers by; without any, no connection to them can be made."""
    if count := context.cert_store_stats()["x509_ca"]:
        return Check("TLS trust", "ok", f"{count} authorities, {ssl.OPENSSL_VERSION}")
    # A folder of certificates is read one by one during handshakes, so the context counts none of them.
    folder = ssl.get_default_verify_paths().capath
    if folder and any(Path(folder).glob("*")):
        return Check("TLS trust", "ok", f"{folder}, {ssl.OPENSSL_VERSION}")
    return Check("TLS trust", "fail", "no certificate authorities", "apt-get install ca-certificates")


def check_clock(now_ns: int) -> Check:
    """The wall clock within reason, and a monotonic one fine enough to measure with."""
    resolution = time.get_clock_info("monotonic").resolution
    if now_ns < EARLIEST_NS:
        return Check("clock", "fail", f"says {time.gmtime(now_ns // 10**9).tm_year}", "set the time: TLS depends on it")
    if resolution > 1e-3:
        return Check("clock", "warn", f"steps of {resolution * 1e3:.0f} ms", "latencies are only as fine as that")
    return Check("clock", "ok", f"steps of {resolution * 1e9:.0f} ns")


def _load(load_settings: Callable[[], Settings]) -> tuple[Settings | None, Check]:
    try:
        settings = load_settings()
    except KiteError as error:
        found = ": ".join(part for part in (error.what, error.why) if part)
        return None, Check("configuration", "fail", found, error.hint)
    except ImportError as error:
        return None, Check("configuration", "fail", str(error), "pip install --force-reinstall kitecli")
    return settings, Check("configuration", "ok", str(settings.file or "defaults; kite init writes a file to edit"))


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
