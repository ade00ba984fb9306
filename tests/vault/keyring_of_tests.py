"""A package ``keyring`` for tests, written to a folder that is put on the path: its store is a JSON file.

It has the calls and the modules of the real one that kite uses; which backend is in force stands in a file too.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_FILES = {
    "__init__.py": """
import importlib, json, os, pathlib
HERE = pathlib.Path(__file__).parent
def get_keyring():
    return importlib.import_module("keyring.backends." + (HERE / "backend").read_text()).Keyring()
def _all():
    return json.loads((HERE / "store").read_text())
def get_password(service, user):
    if (HERE / "locked").exists():
        from keyring.errors import KeyringLocked
        raise KeyringLocked("nobody unlocked it")
    if (HERE / "away").exists():
        from keyring.errors import KeyringError
        raise KeyringError("no answer")
    return _all().get(service + "|" + user)
def set_password(service, user, password):
    (HERE / "store").write_text(json.dumps({**_all(), service + "|" + user: password}))
def delete_password(service, user):
    if (HERE / "read-only").exists():
        from keyring.errors import KeyringError
        raise KeyringError("it is read-only")
    (HERE / "store").write_text(json.dumps({k: v for k, v in _all().items() if k != service + "|" + user}))
""",
    "errors.py": "class KeyringError(Exception): pass\nclass KeyringLocked(KeyringError): pass\n",
    "backend.py": "class KeyringBackend: pass\n",
    "backends/__init__.py": "",
    "backends/SecretService.py": "class Keyring: pass\n",
    "backends/null.py": "class Keyring: pass\n",
    "backends/fail.py": "class Keyring: pass\n",
    "backends/plaintext.py": "class Keyring: pass\n",
    "backends/chainer.py": """
import importlib
class Keyring:
    names = ("SecretService", "plaintext")
    @property
    def backends(self):
        return [importlib.import_module("keyring.backends." + name).Keyring() for name in self.names]
""",
    "backend": "SecretService",
    "store": "{}",
}


def write_keyring(folder: Path) -> Path:
    """Writes the package; returns its folder."""
    for name, content in _FILES.items():
        path = folder / "keyring" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder / "keyring"


def forget_modules() -> None:
    """So that the next import finds the keyring that is on the path now."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "keyring"]:
        del sys.modules[name]
    importlib.invalidate_caches()
