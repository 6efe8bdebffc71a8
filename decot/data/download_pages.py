"""How each kind of history is paged, and where a cut-short download goes on. Knows no files."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import polars as pl

from decot import clock
from decot.data.record_client import Gate
from decot.data.record_decode import Refused
from decot.data.record_station import unified_trade
from decot.data.tape import BOOK, CANDLES, TRADES
from decot.errors import ConfigError, GapInData

HOUR_MS = 3_600_000
Row = Sequence[Any]


class Pages(ABC):
    """An asynchronous walk over pages of rows; `resume` first when rows are already here."""

    schema: Mapping[str, Any] = TRADES
    time = "recv_us"

    def __init__(self, client: Any, gate: Gate, symbol: str, since_ms: int, until_ms: int, page: int) -> None:
        self.client, self.gate, self.symbol = client, gate, symbol
        self.since_ms, self.until_ms, self.page = since_ms, until_ms, page
        self.reached_ms = since_ms
        self.note = ""

    @abstractmethod
    def resume(self, held: pl.DataFrame) -> int:
        """Go on after these rows; how many they are."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[list[Row]]:
        """Page after page, oldest first."""

    def table(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows as a lawful table: each once, in order."""
        ordered = rows.unique("trade_id", keep="first", maintain_order=True).sort("ts_us", "trade_id")
        return ordered.with_columns(recv_us=pl.col("ts_us").cum_max())

    def holes(self, table: pl.DataFrame) -> int:
        """How many rows are missing inside the span."""
        return 0

    async def ask(self, method: str, what: str, *args: Any) -> Any:
        """One request, patiently."""
        return await self.gate.patiently(lambda: getattr(self.client, method)(*args), what)


class NumberedTrades(Pages):
    """Trades (or aggregates) whose ids run without holes: by id, from the first at or after `since_ms`."""

    def __init__(self, *common: Any, aggregated: bool) -> None:
        super().__init__(*common)
        market = self.client.market(self.symbol)
        door = "fapiPublic" if market.get("linear") else "dapiPublic" if market.get("inverse") else "public"
        self.aggregated = aggregated
        self.method = f"{door}Get{'AggTrades' if aggregated else 'HistoricalTrades'}"
        self.search = f"{door}GetAggTrades"
        self.next_id: int | None = None
        if not aggregated and not self.client.apiKey:
            raise ConfigError(["trades by id need an API key at Binance; give one, or download agg-trades"])

    def resume(self, held: pl.DataFrame) -> int:
        if held.height:
            self.next_id = int(held["trade_id"].max()) + 1  # type: ignore[arg-type]
            self.reached_ms = int(held["ts_us"].max()) // 1000  # type: ignore[arg-type]
        return held.height

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        if self.next_id is None:
            self.next_id = await self._first()
        while self.next_id is not None:
            params = {"fetchTradesMethod": self.method, "fromId": self.next_id}
            what = f"asking for trades of {self.symbol} from id {self.next_id}"
            raw = await self.ask("fetch_trades", what, self.symbol, None, self.page, params)
            trades = sorted((_believed(one, self.symbol) for one in raw), key=lambda trade: trade.id)
            fresh = [t for t in trades if t.id >= self.next_id]
            if not fresh:
                return
            for expected, trade in enumerate(fresh, self.next_id):
                if trade.id != expected:
                    raise GapInData(
                        f"{self.symbol}: the venue gave trade {trade.id} where {expected} was due; "
                        "start again, or begin after the gap"
                    )
            wanted = [t for t in fresh if t.ts_us < self.until_ms * 1000]
            self.next_id = fresh[-1].id + 1
            self.reached_ms = fresh[-1].ts_us // 1000
            self.note = f"trade {fresh[-1].id}"
            if wanted:
                yield [(t.ts_us, t.ts_us, t.id, t.price, t.quantity, t.side) for t in wanted]
            if len(wanted) < len(fresh):
                return

    async def _first(self) -> int | None:
        """Id of the first trade at or after `since_ms`, looked for hour by hour."""
        begin = self.since_ms
        while begin < self.until_ms:
            what = f"looking for the first trade of {self.symbol}"
            params = {"fetchTradesMethod": self.search}
            raw = await self.ask("fetch_trades", what, self.symbol, begin, 1, params)
            if raw:
                return int(raw[0]["id"] if self.aggregated else raw[0]["info"]["f"])
            begin += HOUR_MS
            self.reached_ms = begin
        return None

    def holes(self, table: pl.DataFrame) -> int:
        if table.is_empty():
            return 0
        ids = table["trade_id"]
        return int(ids.max()) - int(ids.min()) + 1 - table.height  # type: ignore[arg-type]


class TimedTrades(Pages):
    """Trades of a venue that pages by time: pages overlap, and repetitions are dropped by id.

    Every page begins in the millisecond of the last trade before it, so none can fall between two pages. Whether the
    venue has kept everything since `since_ms` its answers do not say: compare the first row with what was asked for.
    """

    blind = 0
    """milliseconds that held more trades than one page: some of them could not be asked for"""

    def resume(self, held: pl.DataFrame) -> int:
        last = int(held["ts_us"].max()) // 1000 if held.height else 0  # type: ignore[arg-type]
        self._seen = set(held.filter(pl.col("ts_us") // 1000 >= last)["trade_id"].to_list())
        self.reached_ms = max(self.since_ms, last)
        return held.height

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        since = self.reached_ms
        while since < self.until_ms:
            what = f"asking for trades of {self.symbol} since {clock.iso(since)}"
            raw = await self.ask("fetch_trades", what, self.symbol, since, self.page)
            trades = sorted((_believed(one, self.symbol) for one in raw), key=lambda t: (t.ts_us, t.id))
            fresh = [
                t for t in trades if t.id not in self._seen and since * 1000 <= t.ts_us < self.until_ms * 1000
            ]
            is_past_end = bool(trades) and trades[-1].ts_us >= self.until_ms * 1000
            if fresh:
                last = fresh[-1].ts_us // 1000
                kept = self._seen if last == since else set()
                self._seen = kept | {t.id for t in fresh if t.ts_us // 1000 == last}
                since = self.reached_ms = last
                self.note = clock.iso(since)
                yield [(t.ts_us, t.ts_us, t.id, t.price, t.quantity, t.side) for t in fresh]
            if is_past_end:
                return
            if fresh:
                continue
            if trades and trades[0].ts_us // 1000 < since:
                return  # a venue that gives its latest, whatever it is asked
            if trades and len(trades) >= self.page:
                self.blind += 1
                since += 1
            elif clock.now_us() // 1000 - since < HOUR_MS:
                return
            else:
                since += 1 if trades else HOUR_MS  # some venues look no further than an hour

    def holes(self, table: pl.DataFrame) -> int:
        return self.blind


class Candles(Pages):
    """Finished candles; the time of a row is the candle's end."""

    schema = CANDLES
    time = "timestamp"

    def __init__(self, *common: Any, timeframe: str) -> None:
        super().__init__(*common)
        known = self.client.timeframes or {}
        if timeframe not in known:
            raise ConfigError([f"timeframe {timeframe!r} is unknown there; known: {', '.join(known)}"])
        self.timeframe, self.step = timeframe, int(self.client.parse_timeframe(timeframe)) * 1000

    def resume(self, held: pl.DataFrame) -> int:
        self._open = -(-self.since_ms // self.step) * self.step
        if held.height:
            self._open = int(held["timestamp"].max())  # type: ignore[arg-type]
        self.reached_ms = self._open
        return held.height

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        while self._open + self.step <= self.until_ms:
            what = f"asking for {self.timeframe} candles of {self.symbol} since {clock.iso(self._open)}"
            raw = await self.ask("fetch_ohlcv", what, self.symbol, self.timeframe, self._open, self.page)
            done = [c for c in raw if self._open <= c[0] and c[0] + self.step <= self.until_ms]
            if not done:
                return
            self._open = self.reached_ms = int(done[-1][0]) + self.step
            self.note = clock.iso(self._open)
            yield [(int(c[0]) + self.step, *map(float, c[1:6])) for c in done]

    def table(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.unique("timestamp", keep="first", maintain_order=True).sort("timestamp")

    def holes(self, table: pl.DataFrame) -> int:
        if table.is_empty():
            return 0
        ends = table["timestamp"]
        return (int(ends[-1]) - int(ends[0])) // self.step + 1 - table.height


class Book(Pages):
    """Snapshots of the book from now on: best bid and ask and the sums of 5 and 20 levels."""

    schema = BOOK

    def __init__(self, *common: Any, snapshots: int, every_s: float) -> None:
        super().__init__(*common)
        self.snapshots, self.every_s = snapshots, every_s

    def resume(self, held: pl.DataFrame) -> int:
        self._left = self.snapshots - held.height
        return held.height

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        for number in range(self._left):
            book = await self.ask(
                "fetch_order_book", f"asking for the book of {self.symbol}", self.symbol, 20
            )
            recv_us = clock.now_us()
            bids, asks = ([level[:2] for level in book[side][:20]] for side in ("bids", "asks"))
            if bids and asks:
                sums = [sum(size for _, size in side[:n]) for n in (5, 20) for side in (bids, asks)]
                stamp = int(book["timestamp"]) * 1000 if book.get("timestamp") else recv_us
                self.reached_ms = self.until_ms
                self.note = f"snapshot {number + 1} of {self._left}"
                yield [(stamp, recv_us, *bids[0], *asks[0], *map(float, sums))]
            await asyncio.sleep(self.every_s)

    def table(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.unique(maintain_order=True).sort("recv_us", maintain_order=True)


def _believed(raw: dict[str, Any], symbol: str) -> Any:
    trade = unified_trade(raw, symbol)
    if isinstance(trade, Refused):
        raise GapInData(f"{symbol}: {trade.reason}; the page is refused, start again to ask anew")
    return trade
