"""All that a feed says on its control socket to somebody who asks it everything, rightly and wrongly."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 20.0


def everything(token: object) -> list[dict[str, object]]:
    """Each request there is but those that end a feed. ``token`` is offered last: until then the feed has its own."""
    return [
        {"do": "hello", "client": "leaks", "pid": os.getpid(), "observer": True},
        {"do": "status"},
        {"do": "stats"},
        {"do": "gaps"},
        {"do": "subscribe", "modes": {"depth": [1]}},
        {"do": "unsubscribe", "tokens": "none"},
        {"do": "record", "store": 7},
        {"do": "nonsense"},
        {"do": "access_token", "access_token": [token]},
        {"do": "access_token", "access_token": token},
    ]


def said_by(path: Path, requests: Sequence[Mapping[str, object]]) -> bytes:
    """What comes until the last request has its answer: answers, and events in between."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE_S)
        link.connect(str(path))
        lines = (json.dumps({"v": 1, "id": number, **asked}) for number, asked in enumerate(requests, 1))
        link.sendall("".join(line + "\n" for line in lines).encode())
        said = b""
        while not _has_answer(said, len(requests)):
            more = link.recv(1 << 16)
            assert more, f"it hung up after {said!r}"
            said += more
    return said


def _has_answer(said: bytes, number: int) -> bool:
    whole = said[: said.rfind(b"\n") + 1].splitlines()
    return any(json.loads(line).get("id") == number for line in whole)
