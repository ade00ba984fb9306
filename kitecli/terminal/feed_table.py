"""The live table of ``kite feed``: what each instrument does now, and below it how the feed is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from kitecli.gateway.feed import Feed, FeedFigures
from kitecli.market.segments import divisor_of
from kitecli.market.view import Level, Tick, ticks_of
from kitecli.terminal.numbers import age, compact, counted, duration, grouped, price_decimals

LADDER_INSTRUMENTS: Final = 3
"""Up to this many instruments in full mode show their five levels."""
RATE_WINDOW_S: Final = 1.0
"""Rates are of the last whole second: shorter ones only flicker."""
_CHROME_LINES: Final = 6
_LADDER_LINES: Final = 9
_LADDER_WIDTH: Final = 52
_WIDE: Final = 100
_MEDIUM: Final = 72


class FeedTable:
    """A Rich renderable over a running feed; every drawing asks the board anew."""

    def __init__(self, feed: Feed, labels: Mapping[int, str], title: str) -> None:
        self._feed = feed
        self._labels = labels
        self._title = title
        self._seen_ticks = 0
        self._seen_frames = 0
        self._seen_s = 0.0
        self._rates = (0.0, 0.0)
        self.now_ns = 0

    def refresh(self, now_ns: int) -> None:
        """Bring the rates up to date; called once per drawing."""
        figures = self._feed.figures()
        passed_s = figures.elapsed_s - self._seen_s
        if passed_s >= RATE_WINDOW_S:
            ticks, frames = figures.counters["ticks"], figures.counters["frames"]
            self._rates = ((ticks - self._seen_ticks) / passed_s, (frames - self._seen_frames) / passed_s)
            self._seen_ticks, self._seen_frames, self._seen_s = ticks, frames, figures.elapsed_s
        self.now_ns = now_ns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        records, books = self._feed.latest()
        room = max(1, (options.height or console.height) - _CHROME_LINES)
        rows = self._rows_as_asked(records["token"].tolist())[:room]
        shown = list(ticks_of(records[rows], books[rows]))
        parts: list[RenderableType] = [self._table(shown, options.max_width), ""]
        if records.size <= LADDER_INSTRUMENTS and len(shown) + _LADDER_LINES <= room:
            ladders = [tick for tick in shown if tick.depth][: max(1, options.max_width // _LADDER_WIDTH)]
            parts += [self._ladders(ladders), ""] if ladders else []
        yield Group(*parts, self._footer(len(shown), records.size))

    def _rows_as_asked(self, tokens: list[int]) -> list[int]:
        """The board's rows in the order the instruments were asked for; the board has them as they first ticked."""
        row_of = {token: row for row, token in enumerate(tokens)}
        return [row_of[token] for token in self._labels if token in row_of]

    def _table(self, ticks: list[Tick], width: int) -> Table:
        columns = _columns(width, with_depth=any(tick.depth for tick in ticks))
        table = Table(title=self._title, title_justify="left", box=None, pad_edge=False, expand=width < _WIDE)
        table.add_column("SYMBOL", no_wrap=True, overflow="ellipsis")
        for head in columns:
            table.add_column(head, justify="right", no_wrap=True)
        for tick in ticks:
            cells = self._cells(tick, with_quantities=width >= _WIDE)
            table.add_row(self._label(tick), *(cells[head] for head in columns))
        return table

    def _cells(self, tick: Tick, *, with_quantities: bool) -> dict[str, Text | str]:
        decimals = price_decimals(divisor_of(tick.instrument_token))
        bid, ask = _best(tick, decimals, with_quantities=with_quantities)
        return {
            "LTP": grouped(tick.last_price, decimals),
            "CHG %": _change(tick.change),
            "VOLUME": "" if tick.volume_traded is None else compact(tick.volume_traded),
            "BID": bid,
            "ASK": ask,
            "AGE": age((self.now_ns - tick.ts_recv_ns) / 1e9),
        }

    def _ladders(self, ticks: list[Tick]) -> Table:
        """Five levels a side for each instrument, side by side."""
        grid = Table.grid(padding=(0, 4))
        grid.add_row(*(_ladder(self._label(tick), tick) for tick in ticks))
        return grid

    def _footer(self, shown: int, known: int) -> Text:
        figures = self._feed.figures()
        ticks_rate, frames_rate = self._rates
        rates = f"{counted(ticks_rate)} ticks/s in {counted(frames_rate)} frames/s"
        latency = f"p50 {duration(figures.latency_ns_p50)}, p99 {duration(figures.latency_ns_p99)}"
        lines = (
            f"{rates} · {shown} of {known} instruments · {_links(figures)}",
            f"{counted(figures.ticks)} ticks · lost {figures.lost} · receive-to-reader {latency}",
        )
        return Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")

    def _label(self, tick: Tick) -> str:
        return self._labels.get(tick.instrument_token, str(tick.instrument_token))


def _columns(width: int, *, with_depth: bool) -> list[str]:
    """What fits: on a terminal of the usual width the book stands instead of the volume, where there is one."""
    if width >= _WIDE:
        middle = ["VOLUME", "BID", "ASK"]
    elif width >= _MEDIUM:
        middle = ["BID", "ASK"] if with_depth else ["VOLUME"]
    else:
        middle = []
    return ["LTP", "CHG %", *middle, "AGE"]


def _change(percent: float | None) -> Text:
    if percent is None:
        return Text("")
    style = "green" if percent > 0 else "red" if percent < 0 else ""
    return Text(f"{percent:+.2f}", style)


def _best(tick: Tick, decimals: int, *, with_quantities: bool) -> tuple[Text | str, Text | str]:
    """The best bid and offer; without depth, the day's total quantities stand in where there is room."""
    depth = tick.depth
    if depth:
        buy, sell = depth["buy"][0], depth["sell"][0]
        return _offer(buy, decimals, with_quantities, "cyan"), _offer(sell, decimals, with_quantities, "magenta")
    bought, sold = tick.total_buy_quantity, tick.total_sell_quantity
    if bought is None or sold is None or not with_quantities:
        return "", ""
    return f"Σ {compact(bought)}", f"Σ {compact(sold)}"


def _offer(level: Level, decimals: int, with_quantity: bool, style: str) -> Text:
    price = grouped(level["price"], decimals)
    return Text(f"{level['quantity']} × {price}" if with_quantity else price, style)


def _ladder(label: str, tick: Tick) -> Table:
    depth, decimals = tick.depth, price_decimals(divisor_of(tick.instrument_token))
    table = Table(title=label, box=None, pad_edge=False, title_justify="left")
    for head in ("ORDERS", "QTY", "BID", "ASK", "QTY", "ORDERS"):
        table.add_column(head, justify="right", no_wrap=True)
    if depth:
        for buy, sell in zip(depth["buy"], depth["sell"], strict=True):
            bid = Text(grouped(buy["price"], decimals), "cyan")
            ask = Text(grouped(sell["price"], decimals), "magenta")
            bought, sold = counted(buy["quantity"]), counted(sell["quantity"])
            table.add_row(str(buy["orders"]), bought, bid, ask, sold, str(sell["orders"]))
    return table


def _links(figures: FeedFigures) -> str:
    up = sum(state in ("live", "quiet") for state in figures.connections.values())
    return f"{up} of {len(figures.connections)} connections up"
