"""``kite init``: a configuration file to edit."""

from __future__ import annotations


def init() -> None:
    """Write a configuration file to edit."""
