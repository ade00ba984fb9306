"""Settings: YAML, environment and flags become frozen values, each with its origin.

``schema`` says which keys there are, ``values`` what a value may be, ``document`` reads YAML with line numbers,
``layers`` puts the layers over each other, ``endpoints`` reads the dated data about servers and limits, and ``live``
is the object behind ``from kitecli import config``.
"""

from __future__ import annotations

from kitecli.settings.layers import Origin, Settings, load

__all__ = ["Origin", "Settings", "load"]
