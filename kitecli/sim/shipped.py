"""The simulator's data files that come with kite."""

from __future__ import annotations

from pathlib import Path


def shipped_file(name: str) -> Path:
    """Where ``name`` stands: in a wheel in kitecli/defaults, in a checkout in config/. Raises FileNotFoundError."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "defaults", package.parent / "config"):
        if (file := folder / name).is_file():
            return file
    raise FileNotFoundError(f"{name} is neither in {package / 'defaults'} nor in {package.parent / 'config'}")
