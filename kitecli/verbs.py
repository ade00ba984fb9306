"""The verbs of ``kite`` and what each is for: what ``kite --help`` and a shell's completion list, without loading them.

Each lives in the module of its name in :mod:`kitecli.commands`: as a function of that name, whose examples are the
module's ``EPILOG``, or as ``app``, a group of verbs.
"""

from __future__ import annotations

from typing import Final

VERBS: Final = {
    "demo": "See ticks stream, with no account.",
    "feed": "Stream live ticks.",
    "bars": "Show bars: a chart, a table or lines.",
    "audit-bars": "Explain where bars differ from the broker's candles.",
    "record": "Record everything the feed receives.",
    "replay": "Play a recorded day as if live.",
    "status": "Show the running feeds.",
    "stats": "Show a feed's figures, live.",
    "stop": "End a running feed.",
    "logs": "Show what kite has written down.",
    "sim": "Run a simulated exchange on this machine.",
    "loadtest": "Measure and judge this machine under a known load.",
    "decode": "Print the ticks of captured messages.",
    "calendar": "Show the market's sessions and holidays.",
    "init": "Write a configuration file to edit.",
    "doctor": "Check what kite needs of this machine.",
    "instruments": "Fetch, search, show and compare the instruments.",
    "data": "Recordings, and historical candles.",
    "auth": "Log in at the broker, once a day.",
    "creds": "Keep credentials in an encrypted vault.",
    "alerts": "Have yourself told of outages.",
    "config": "Show the settings and where each came from.",
}
"""In the order of a user's first days, with a line for each."""
