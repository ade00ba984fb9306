"""The closing figures."""

from kitecli.terminal.summary import summary_lines


def test_what_came_what_was_lost_and_how_quick(feed):
    list(feed.batches(0.01))
    first, second = summary_lines(feed.figures())
    assert first.startswith("4 ticks in 1 frames")
    assert second.startswith("lost 0; receive-to-reader p50")


def test_damage_is_told_by_kind(feed, frames):
    feed.take(frames[0][:-1])
    feed.take(b"\x00\x01\x00\x07" + bytes(7))
    list(feed.batches(0.01))
    assert summary_lines(feed.figures())[-1] == "damaged messages: truncated 1, unknown length 1"


def test_nothing_at_all(feed):
    empty = type(feed)(feed._handle, type(feed.reader)(feed.reader.view), lambda _: None)
    assert "p50 –" in summary_lines(empty.figures())[1]
