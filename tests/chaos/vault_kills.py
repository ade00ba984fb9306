"""Kills a process again and again while it changes a vault's password and rotates its key; prints what was found.

``python -m tests.chaos.vault_kills FOLDER KILLS``. A victim is a fork of this process, so that a kill costs no start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from kitecli.errors import KiteError, WrongPassword
from kitecli.secret import Secret
from kitecli.vault import Vault
from kitecli.vault.contents import Contents
from kitecli.vault.location import drafts_of
from tests.vault.made import OTHER, PASSWORD, filled, quick

LONGEST_LIFE_S = 0.02


def live(vault: Vault, password: str) -> None:
    """Change the password and rotate, for ever."""
    with vault.unlock(Secret(password)) as opened:
        while True:
            opened.rotate()
            password = OTHER if password == PASSWORD else PASSWORD
            opened.change_password(Secret(password))


def opens(vault: Vault, password: str) -> bool:
    sealed = vault.sealed()
    try:
        with Contents.unseal(sealed, quick(sealed.kdf, Secret(password), sealed.salt)) as contents:
            return contents.entries.get("api_key") == Secret("the-key")
    except WrongPassword:
        return False


def kill_one(vault: Vault, password: str, life_s: float) -> None:
    victim = os.fork()
    if not victim:
        live(vault, password)
    time.sleep(life_s)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)


def look(vault: Vault, found: Counter[str]) -> str:
    """Which password opens it now; what is wrong is counted."""
    found["killed while writing"] += bool(drafts_of(vault.path))
    try:
        able = [password for password in (PASSWORD, OTHER) if opens(vault, password)]
    except KiteError:
        found["unreadable"] += 1
        raise
    found["opened by one password"] += len(able) == 1
    vault.unlock(Secret(able[0])).close()
    found["leftover files"] += sum(one != vault.path for one in vault.path.parent.iterdir())
    return able[0]


def main(folder: Path, kills: int) -> None:
    chance = random.Random(6)
    vault, password = filled(folder), PASSWORD
    found: Counter[str] = Counter({"unreadable": 0, "leftover files": 0})
    keys, passwords = {vault.sealed().key_id}, Counter([password])
    for _ in range(kills):
        kill_one(vault, password, chance.uniform(0, LONGEST_LIFE_S))
        password = look(vault, found)
        keys.add(vault.sealed().key_id)
        passwords[password] += 1
    print(json.dumps({"kills": kills, **found, "data keys": len(keys), "second password": passwords[OTHER]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
