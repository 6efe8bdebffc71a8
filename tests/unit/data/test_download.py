"""Fetching the past from the loopback venue, through unmodified ccxt, also when killed half-way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from decot.data.download import DownloadConfig, download
from decot.data.exchange.faults import Faults
from decot.data.exchange.feed import Frames
from decot.data.exchange.venue import point, serve
from decot.data.lake import Lake
from decot.errors import ConfigError, VenueUnavailable

SYMBOL = "BTC/USDT"
START_MS = 1_700_000_040_000


def tape(n: int = 4_000, seconds: int = 600) -> Frames:
    """A market whose trades come in bursts of equal price and time, so that aggregates are real ones."""
    rng = np.random.default_rng(3)
    at = START_MS * 1000 + np.sort(rng.integers(0, seconds * 200, n)) * 5_000
    price = 100 + np.cumsum(rng.integers(-1, 2, n)) / 100
    trades = pl.DataFrame(
        {
            "ts_us": at,
            "recv_us": at,
            "trade_id": np.arange(1_000, 1_000 + n),
            "price": price.round(2),
            "quantity": rng.integers(1, 100, n) / 1000,
            "side": rng.choice([-1, 1], n).astype(np.int8),
        }
    )
    book = pl.DataFrame(
        {
            "ts_us": at[:50],
            "recv_us": at[:50],
            "bid": [99.0] * 50,
            "bid_qty": 1.0,
            "ask": [101.0] * 50,
            "ask_qty": 2.0,
        }
    )
    return Frames(SYMBOL, trades, book)


def fetch(folder: Path, *, faults: Faults | None = None, stop_after: int | None = None, **settings):
    """One download from a venue whose whole tape has happened; optionally cut short after some pages."""
    client = {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}
    base = {
        "symbol": SYMBOL,
        "since_ms": START_MS,
        "until_ms": START_MS + 600_000,
        "page": 300,
        "flush_rows": 1,
    }
    config = DownloadConfig(folder=folder / "download", **{"client": client, **base, **settings})

    async def main():
        async with serve(tape(), faults=faults, speed=0, wait_streams=0) as venue:
            await venue.done.wait()
            stop, steps = asyncio.Event(), []

            def progress(stage, done, total, note):
                steps.append((done, total))
                if stop_after is not None and len(steps) >= stop_after:
                    stop.set()

            def aim(client):
                return point(client, venue.port)

            report = await download(config, prepare=aim, progress=progress, stop=stop)
            return report, venue.state(), steps

    return asyncio.run(main())


def test_trades_come_home_whole_and_the_same_twice(tmp_path):
    """Every trade of the tape, once, in order; a second run asks for nothing more and gives the same digest."""
    report, _, steps = fetch(tmp_path, kind="trades", lake=tmp_path / "lake")
    got, want = pl.read_parquet(report.file), tape().trades
    assert got.drop("recv_us").equals(want.drop("recv_us"))
    assert (report.rows, report.holes, report.resumed_rows) == (want.height, 0, 0)
    assert steps[-1][0] <= steps[-1][1] == 600
    again, state, _ = fetch(tmp_path, kind="trades", lake=tmp_path / "lake")
    assert again.refs == report.refs
    assert again.resumed_rows == want.height
    assert state["requests"]["GET historicalTrades"] == 1
    assert Lake(tmp_path / "lake").get("raw_trades", symbol=SYMBOL).equals(got)


def test_aggregates_need_no_key_and_hold_the_same_volume(tmp_path):
    """agg-trades are fewer rows with the same quantity, found by time and paged by id."""
    report, _, _ = fetch(tmp_path, client={"enableRateLimit": False})
    got, want = pl.read_parquet(report.file), tape().trades
    assert report.holes == 0
    assert got.height < want.height
    assert got["quantity"].sum() == pytest.approx(want["quantity"].sum())
    with pytest.raises(ConfigError, match="API key"):
        fetch(tmp_path / "other", kind="trades", client={"enableRateLimit": False})


def test_candles_are_finished_ones_stamped_at_their_end(tmp_path):
    """Ten one-minute candles whose volumes add up to the trades inside them."""
    report, _, _ = fetch(tmp_path, kind="candles", page=3, lake=tmp_path / "lake")
    got = pl.read_parquet(report.file)
    first = -(-START_MS // 60_000) * 60_000
    assert got["timestamp"].to_list() == [first + 60_000 * k for k in range(1, got.height + 1)]
    inside = tape().trades.filter(pl.col("ts_us").is_between(first * 1000, got["timestamp"][-1] * 1000 - 1))
    assert got["volume"].sum() == pytest.approx(inside["quantity"].sum())
    assert (report.holes, report.refs[0].rows) == (0, got.height)


def test_book_snapshots_carry_the_sums(tmp_path):
    """As many snapshots as asked for, in the raw_book layout."""
    report, _, _ = fetch(tmp_path, kind="book", snapshots=3, every_s=0.01)
    got = pl.read_parquet(report.file)
    assert got.height == 3
    assert got.row(0, named=True)["ask_qty_20"] == 2.0


def test_a_download_cut_short_goes_on_where_it_was(tmp_path):
    """Stopped after a few pages and started again: the same table as in one go, nothing asked twice."""
    whole, _, _ = fetch(tmp_path / "a", kind="trades", lake=tmp_path / "a" / "lake")
    part, _, _ = fetch(tmp_path / "b", kind="trades", stop_after=3, lake=tmp_path / "b" / "lake")
    assert 0 < part.rows < whole.rows
    rest, _, _ = fetch(tmp_path / "b", kind="trades", lake=tmp_path / "b" / "lake")
    assert rest.resumed_rows == part.rows
    assert rest.refs[0].digest == whole.refs[0].digest


def test_a_venue_that_wants_silence_gets_it(tmp_path):
    """With bans and errors on a tenth of all requests: no request inside a Retry-After window, and nothing lost."""
    faults = Faults(http_429=0.15, http_418=0.05, http_503=0.1, retry_after_s=0.1, seed=5)
    report, state, _ = fetch(tmp_path, kind="trades", page=200, faults=faults)
    assert report.rows == 4_000
    assert report.requests_refused > 0
    assert report.waited_s > 0
    assert state["requests_while_banned"] == 0


def test_another_request_does_not_mix_with_what_is_there(tmp_path):
    """A folder that holds one span refuses another one, by name; impossible settings are all listed."""
    fetch(tmp_path, kind="trades", stop_after=1)
    with pytest.raises(ConfigError, match="another download"):
        fetch(tmp_path, kind="trades", since_ms=START_MS + 1)
    with pytest.raises(ConfigError, match=r"(?s)kind.*span.*page"):
        DownloadConfig(folder=tmp_path, symbol=SYMBOL, since_ms=9, until_ms=3, kind="x", page=0)
    with pytest.raises(ConfigError, match="DOGE"):
        fetch(tmp_path / "c", symbol="DOGE/USDT")


def test_a_venue_that_stays_away_is_said_so(tmp_path, monkeypatch):
    """When every request fails the download ends with the venue's last words and a way out."""
    from decot.data import record_client

    monkeypatch.setattr(record_client, "FIRST_PAUSE_S", 0.001)
    with pytest.raises(VenueUnavailable, match="attempts failed"):
        fetch(tmp_path, faults=Faults(http_503=1.0))
