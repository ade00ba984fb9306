"""Drawing beside the reader."""

import io

import pytest
from rich.console import Console

from kitecli.errors import HandshakeForbidden
from kitecli.gateway.spec import GatewayEvent
from kitecli.terminal.live import show_live

LABELS = {408065: "NSE:INFY"}


def console():
    return Console(file=io.StringIO(), width=100, height=20, force_terminal=True)


def test_it_draws_reads_and_ends_in_time(feed):
    shown = console()
    show_live(feed, LABELS, "1 instrument", 0.3, shown)
    assert "NSE:INFY" in shown.file.getvalue()
    assert feed.figures().ticks == 4
    assert shown.file.getvalue().rstrip().endswith("\x1b[?25h"), "the cursor is back"


def test_what_ends_the_feed_comes_out(feed):
    feed._handle.events.put(GatewayEvent("failed", error=HandshakeForbidden("no").as_dict()))
    shown = console()
    with pytest.raises(HandshakeForbidden):
        show_live(feed, LABELS, "1 instrument", 5, shown)
    assert shown.file.getvalue().rstrip().endswith("\x1b[?25h")
