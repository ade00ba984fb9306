"""What a simulated exchange can be told. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

SYNTHETIC: Final = "synthetic"
LOAD: Final = "load"
"""Ticks at an exact pace, for measuring: see :mod:`~kitecli.sim.load`."""
REDIRECT_URL: Final = "http://127.0.0.1:5010/kite"
"""What kite.redirect_url is by default."""


@dataclass(frozen=True, slots=True)
class SimOptions:
    """One simulated exchange.

    ``source``: "synthetic", "load", or the path of a table of ticks, of a recorded day's folder or of one of its files.
    ``speed``, ``start``, ``start_on_subscribe``: of these two only; they wait for the first subscription unless told
    otherwise, so that nothing is missed. ``to``, ``symbols``, ``past_damage``: of a recording only.
    ``seed``, ``rate`` (updates a second of each instrument), ``instruments`` (0: those that
    have names): synthetic and load only.
    Ports of 0 are free ones. ``ledger``: file the ledger is written to at the end, "" for none. ``rate_limits``:
    whether REST calls are limited as the broker's are. ``faults``: a script for the fault proxy, which stands before
    both ports then: a file's path or YAML itself ("version: 1" is one without rules). ``fault_log``: file that its
    truth is written to as NDJSON. ``idle_s``: it outlives its starter, and ends when nobody was connected for so long.
    ``redirect_url``: where a login ends, as it is registered for the app. Of a load only: ``step_ms`` between two sends
    of what is due; ``burst`` ticks at once every ``burst_s`` seconds, 0 for none. ``logs``:
    where a process of its own writes what happens, as :class:`kitecli.logs.plan.LogPlan` has it.
    """

    source: str = SYNTHETIC
    speed: float = 1.0
    start: str = ""
    to: str = ""
    symbols: tuple[str, ...] = ()
    past_damage: bool = False
    start_on_subscribe: bool = True
    seed: int = 1
    rate: float = 1.0
    instruments: int = 0
    packets_per_frame: int = 100
    ws_port: int = 0
    api_port: int = 0
    ledger: str = ""
    rate_limits: bool = True
    faults: str = ""
    fault_log: str = ""
    idle_s: float = 0.0
    redirect_url: str = REDIRECT_URL
    step_ms: float = 20.0
    burst: int = 0
    burst_s: float = 0.0
    logs: dict[str, object] | None = None

    @property
    def is_synthetic(self) -> bool:
        """Made up as it goes, as a load is too; nothing that ends."""
        return self.source in (SYNTHETIC, LOAD)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SimOptions:
        """The inverse of :meth:`to_json`."""
        said = json.loads(text)
        return cls(**{**said, "symbols": tuple(said["symbols"])})


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a running simulator is and how to get in. Its credentials open nothing but itself: they are no secrets.

    ``login_url``: the page, for a browser; ``totp_secret``: base32, for an authenticator.
    ``control_url``: REST that no fault stands before. ``ca_file``: what to trust where the addresses are of TLS.
    """

    ws_url: str
    api_url: str
    api_key: str
    access_token: str
    api_secret: str
    request_token: str
    pid: int
    source: str
    instruments: int
    note: str
    control_url: str = ""
    ca_file: str = ""
    login_url: str = ""
    redirect_url: str = ""
    user_id: str = ""
    password: str = ""
    totp_secret: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))
