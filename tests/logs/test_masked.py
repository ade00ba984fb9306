"""Log records carry no secret, whoever writes them down."""

from __future__ import annotations

import io
import logging

import pytest

from kitecli.logs import logger
from kitecli.secret import MASK, Secret

CANARY = "canary-91c7"


@pytest.fixture
def written() -> io.StringIO:
    """What a handler of somebody else's writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logger("kitecli.test-of-logs")
    log.handlers, log.propagate = [handler], False
    return stream


def test_a_secret_is_masked_in_message_arguments_and_traceback(written: io.StringIO):
    held = Secret(CANARY)
    log = logger("kitecli.test-of-logs")
    log.warning(f"literally {CANARY}")  # noqa: G004
    log.warning("as an argument %s and %r", CANARY, {"token": CANARY})
    try:
        raise ValueError(f"GET wss://ws?access_token={held.reveal()}")
    except ValueError:
        log.exception("it failed")
    assert CANARY not in written.getvalue()
    assert written.getvalue().count(MASK) >= 4
    assert "Traceback" in written.getvalue()


def test_what_is_no_secret_stays_as_it_was(written: io.StringIO):
    logger("kitecli.test-of-logs").warning("%d of %s", 3, "ticks")
    assert written.getvalue() == "3 of ticks\n"


def test_other_packages_loggers_can_be_had_masked_too():
    assert logger("kitecli.test-of-logs") is logging.getLogger("kitecli.test-of-logs")
    assert len(logger("kitecli.test-of-logs").filters) == 1
