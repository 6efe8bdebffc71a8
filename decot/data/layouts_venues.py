"""How the Aster, Hyperliquid and BitMEX recordings lie on disk. Knows their columns, not what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.data import reading
from decot.data.layouts import Layout, assemble, numbered, siblings
from decot.data.tape import BOOK, TRADES, RawTape
from decot.errors import TapeRefused

_F, _I, _S = pl.Float64(), pl.Int64(), pl.String()
_GAP_US: Final = 60_000_000
"""snapshots further apart than this are different stretches"""


def sum_levels(frame: pl.DataFrame, price: str, size: str, levels: int) -> pl.DataFrame:
    """Best quotes and 5-/20-level size sums of a wide book.

    Args:
        price, size: patterns such as "{side}_price_{k}", k counted from the touch.
        levels: how many there are; sums reach as deep as they go.
    """
    columns = {}
    for side in ("bid", "ask"):
        columns[side] = pl.col(price.format(side=side, k=0))
        columns[f"{side}_qty"] = pl.col(size.format(side=side, k=0))
        for depth in (5, 20):
            names = [size.format(side=side, k=k) for k in range(min(depth, levels))]
            columns[f"{side}_qty_{depth}"] = pl.sum_horizontal(names)
    return frame.with_columns(**columns)


def _levels(price: str, size: str, levels: int) -> dict[str, Any]:
    return {p.format(side=s, k=k): _F for s in ("bid", "ask") for k in range(levels) for p in (price, size)}


def _pick(found: list[str], symbol: str | None, default: str, path: Path) -> str:
    """The market asked for, by its name or its base coin; the default one otherwise."""
    wanted = (symbol or default).upper().replace("/", "").replace("-", "")
    for name in (wanted, f"{wanted}USDT", f"{wanted}USD"):
        if name in found:
            return name
    if symbol is None and found:
        return found[0]
    raise TapeRefused(
        path.name, f"no market {symbol!r}", f"choose one of: {', '.join(found) or 'none there'}"
    )


def _sided(frame: pl.DataFrame, column: str, file: str) -> pl.DataFrame:
    """`side` as +1/−1 from buy/sell in any case; anything else is refused."""
    text = frame[column].str.to_lowercase()
    reading.refuse_where(~text.is_in(["buy", "sell"]), frame[column], file, "not a side (buy or sell)")
    return frame.with_columns(side=pl.when(text == "buy").then(1).otherwise(-1).cast(pl.Int8))


def _files(
    path: Path, pattern: re.Pattern[str], symbol: str | None, default: str
) -> tuple[str, dict[str, Path]]:
    """The market, and its files by kind (first group of the pattern; the second is the market)."""
    found = siblings(path, pattern)
    if path.is_file():
        match = pattern.fullmatch(path.name)
        chosen = match[2] if match else default
    else:
        chosen = _pick(sorted({match[2] for _, match in found}), symbol, default, path)
    return chosen, {match[1]: file for file, match in found if match[2] == chosen}


# Aster: prices_<symbol> (local clock, no sizes), orderbook_<symbol> (10 levels, in parts), trades_<symbol> (ms).

_ASTER = re.compile(r"(prices|orderbook|trades)_([A-Z0-9]+)\.(?:parquet|csv|jsonl)")


def _aster(path: Path, symbol: str | None) -> RawTape:
    market, files = _files(path, _ASTER, symbol, "BTCUSDT")
    books = []
    if "orderbook" in files:
        books.append(_aster_depth(files["orderbook"]))
    if "prices" in files:
        books.append(_aster_prices(files["prices"], books[0] if books else None))
    if not books:
        raise TapeRefused(path.name, "trades without a book", "put prices_… or orderbook_… beside it")
    book = pl.concat(books).sort("ts_us", maintain_order=True)
    trades = pl.DataFrame(schema=TRADES)
    if "trades" in files:
        columns = {"ts_us": _I, "id": _I, "side": _S, "price": _F, "quantity": _F}
        frame = reading.load(files["trades"], columns)
        reading.demand_time(frame, "ts_us", files["trades"].name)
        reading.demand_positive(frame, ("price", "quantity"), files["trades"].name)
        frame = _sided(frame, "side", files["trades"].name).rename({"id": "trade_id"})
        trades = frame.with_columns(recv_us=pl.col("ts_us")).select(TRADES.keys())
    sized = float((book["bid_qty"] > 0).mean() or 0.0)  # type: ignore[arg-type]
    meta = {"layout": "aster", "files": sorted(file.name for file in files.values()), "recv_estimated": True}
    return assemble(market, "aster", book, trades, {**meta, "depth_known": round(sized, 4)})


def _aster_depth(file: Path) -> pl.DataFrame:
    price, size = "{side}_price_{k}", "{side}_qty_{k}"
    frame = reading.load(file, {"ts_us": _I, **_levels(price, size, 10)})
    reading.demand_time(frame, "ts_us", file.name)
    frame = sum_levels(frame, price, size, 10).with_columns(recv_us=pl.col("ts_us")).select(BOOK.keys())
    reading.demand_book(frame, file.name)
    return frame


def _aster_prices(file: Path, depth: pl.DataFrame | None) -> pl.DataFrame:
    """Quotes without sizes (0), outside the stretches where the full book is known."""
    frame = reading.load(file, {"ts_us": _I, "bid": _F, "ask": _F})
    reading.demand_time(frame, "ts_us", file.name)
    sizes = [pl.lit(0.0).alias(name) for name in BOOK if "_qty" in name]
    frame = frame.with_columns(*sizes, recv_us=pl.col("ts_us")).select(BOOK.keys())
    reading.demand_book(frame, file.name)
    if depth is None:
        return frame
    near = depth.select("ts_us", before=pl.col("ts_us"))
    after = depth.select("ts_us", after=pl.col("ts_us"))
    around = frame.join_asof(near, on="ts_us").join_asof(after, on="ts_us", strategy="forward")
    covered = (pl.col("after") - pl.col("before") <= _GAP_US).fill_null(False)
    return around.filter(~covered).select(BOOK.keys())


# Hyperliquid: orderbooks_<coin> (20 levels, both clocks), trades_<coin>.

_HYPERLIQUID = re.compile(r"(orderbooks|trades|prices)_([A-Z0-9]+)\.(?:parquet|csv|jsonl)")


def _hyperliquid(path: Path, symbol: str | None) -> RawTape:
    coin, files = _files(path, _HYPERLIQUID, symbol, "BTC")
    if "orderbooks" not in files:
        raise TapeRefused(path.name, "trades without a book", f"put orderbooks_{coin} beside it")
    file, price, size = files["orderbooks"], "{side}_price_{k}", "{side}_size_{k}"
    book = reading.load(file, {"ts_us": _I, "recv_us": _I, **_levels(price, size, 20)})
    for clock in ("ts_us", "recv_us"):
        reading.demand_time(book, clock, file.name)
    book = sum_levels(book, price, size, 20).select(BOOK.keys())
    reading.demand_book(book, file.name)
    trades = pl.DataFrame(schema=TRADES)
    if "trades" in files:
        name = files["trades"].name
        columns = {"ts_us": _I, "recv_us": _I, "price": _F, "size": _F, "side": _S, "trade_id": _I}
        frame = reading.load(files["trades"], columns)
        for clock in ("ts_us", "recv_us"):
            reading.demand_time(frame, clock, name)
        reading.demand_positive(frame, ("price", "size"), name)
        trades = _sided(frame, "side", name).rename({"size": "quantity"}).select(TRADES.keys())
    meta = {"layout": "hyperliquid", "files": sorted(file.name for file in files.values())}
    return assemble(f"{coin}-USD", "hyperliquid", book, trades, meta)


# BitMEX: l2_10_<day> and trades_<day>, several symbols in one file; inverse, so sizes are US dollars.

_BITMEX = re.compile(r"(l2_10|trades)_(\d{4}-\d{2}-\d{2})\.(?:parquet|csv|jsonl)")


def _bitmex(path: Path, symbol: str | None) -> RawTape:
    found = siblings(path, _BITMEX)
    if path.is_file():
        day = _BITMEX.fullmatch(path.name)
        found = [pair for pair in found if day and pair[1][2] == day[2]]
    kinds = {kind: [file for file, match in found if match[1] == kind] for kind in ("l2_10", "trades")}
    if not kinds["l2_10"]:
        raise TapeRefused(
            path.name, "trades without a book", "put the l2_10_<day> file of that day beside it"
        )
    price, size = "{side}_px_{k}", "{side}_qty_{k}"
    columns = {"ts_us": _I, "symbol": _S, **_levels(price, size, 10)}
    whole = [(reading.load(file, columns), file.name) for file in kinds["l2_10"]]
    markets = sorted({market for frame, _ in whole for market in frame["symbol"].unique().to_list()})
    market = _pick(markets, symbol, "XBTUSD", path)
    books = []
    for frame, name in whole:
        reading.demand_time(frame, "ts_us", name)
        frame = frame.filter(pl.col("symbol") == market).with_columns(recv_us=pl.col("ts_us"))
        books.append(sum_levels(frame, price, size, 10).select(BOOK.keys()))
        reading.demand_book(books[-1], name)
    trades = [_bitmex_trades(file, market) for file in kinds["trades"]] or [pl.DataFrame(schema=TRADES)]
    meta = {"layout": "bitmex", "files": sorted(file.name for file, _ in found), "recv_estimated": True}
    return assemble(market, "bitmex", pl.concat(books), pl.concat(trades), {**meta, "quantity_unit": "USD"})


def _bitmex_trades(file: Path, market: str) -> pl.DataFrame:
    """Trades as they happened; `partial` rows repeat what was traded before the recording."""
    columns = {"ts_us": _I, "symbol": _S, "price": _F, "size_usd": _F, "action": _S, "side": _S}
    frame = reading.load(file, columns)
    reading.demand_time(frame, "ts_us", file.name)
    reading.demand_positive(frame, ("price", "size_usd"), file.name)
    frame = _sided(frame, "side", file.name).filter(
        (pl.col("symbol") == market) & (pl.col("action") != "partial")
    )
    frame = frame.rename({"size_usd": "quantity"}).with_columns(recv_us=pl.col("ts_us"))
    return numbered(frame, file).select(TRADES.keys())


def _is(pattern: re.Pattern[str], needs: str) -> Callable[[Path], bool]:
    """Whether a file is of this layout: its name fits, and beside it lies the book only this layout has."""

    def knows(file: Path) -> bool:
        match = pattern.fullmatch(file.name)
        return bool(match) and any(other.name.startswith(needs) for other in file.parent.iterdir())

    return knows


LAYOUTS: Final = (
    Layout("hyperliquid (orderbooks_<coin>)", _is(_HYPERLIQUID, "orderbooks_"), _hyperliquid),
    Layout("bitmex (l2_10_<day>)", _is(_BITMEX, "l2_10_"), _bitmex),
    Layout(
        "aster (prices_<symbol>, orderbook_<symbol>)", lambda file: bool(_ASTER.fullmatch(file.name)), _aster
    ),
)
