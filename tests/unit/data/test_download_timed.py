"""Paging by time, against a venue object that answers as ccxt does: nothing twice, nothing missing, also when cut short."""

from __future__ import annotations

import asyncio
from bisect import bisect_left

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.data.download import DownloadConfig, download
from decot.data.download_pages import HOUR_MS
from decot.data.lake import Lake

SYMBOL = "XBT/USD"
START = 1_700_000_000_000


class Venue:
    """The part of a ccxt exchange a download by time touches; its trades are known from the start."""

    apiKey = ""
    last_response_headers = None

    def __init__(self, at_ms, *, window_ms=None, latest_only=False, with_ids=True):
        self.has, self.markets = {}, {SYMBOL: {}}
        self.window_ms, self.latest_only, self.requests = window_ms, latest_only, []
        self.at = [int(ms) for ms in at_ms]
        self.rows = [
            {
                "id": f"T{k}x" if with_ids else None,
                "timestamp": ms,
                "price": 100.0 + k % 7,
                "amount": 1.0 + k / 1_000,
                "side": "buy" if k % 3 else "sell",
            }
            for k, ms in enumerate(self.at)
        ]

    async def fetch(self, *args):
        return None

    async def close(self):
        return None

    async def load_markets(self):
        return self.markets

    async def fetch_trades(self, symbol, since=None, limit=None, params=None):
        self.requests.append(since)
        if self.latest_only:
            return self.rows[-limit:]
        first = bisect_left(self.at, since)
        last = bisect_left(self.at, since + self.window_ms) if self.window_ms else len(self.rows)
        return self.rows[first : min(first + limit, last)]


def fetch(folder, venue, *, stop_after=None, page=20, until=START + 10_000, lake=None):
    """One download; cut short after some pages when asked to."""
    config = DownloadConfig(
        folder=folder,
        symbol=SYMBOL,
        exchange="kraken",
        kind="trades",
        since_ms=START,
        until_ms=until,
        page=page,
        flush_rows=1,
        lake=lake,
    )

    async def main():
        stop, steps = asyncio.Event(), []

        def progress(*step):
            steps.append(step)
            if stop_after is not None and len(steps) >= stop_after:
                stop.set()

        return await download(config, prepare=lambda client: venue, progress=progress, stop=stop)

    report = asyncio.run(main())
    return report, pl.read_parquet(report.file)


def bursts(n=400, seed=0):
    """Trades in bursts of up to a dozen in one millisecond."""
    rng = np.random.default_rng(seed)
    return np.sort(START + np.repeat(rng.integers(0, 10_000, n // 4), rng.integers(1, 12, n // 4)))


def test_every_trade_comes_once(tmp_path):
    """Bursts that straddle the ends of pages: the table holds each trade of the span once, in order of time."""
    venue = Venue(bursts())
    report, got = fetch(tmp_path, venue)
    assert (report.rows, report.holes) == (len(venue.rows), 0)
    assert got["ts_us"].is_sorted()
    want = sorted(row["amount"] for row in venue.rows)
    assert sorted(got["quantity"].to_list()) == want
    assert got["trade_id"].n_unique() == got.height
    assert report.pages < len(venue.rows) / 20 * 3


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 6), max_size=4), st.integers(0, 99))
def test_cut_short_anywhere_it_goes_on_without_a_hole(tmp_path_factory, cuts, seed):
    """Stopped after any number of pages, any number of times: digest for digest the download in one go."""
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    once, _ = fetch(whole, Venue(bursts(seed=seed)), lake=whole / "lake")
    for pages in cuts:
        fetch(cut, Venue(bursts(seed=seed)), stop_after=pages, lake=cut / "lake")
    venue = Venue(bursts(seed=seed))
    last, got = fetch(cut, venue, lake=cut / "lake")
    assert last.refs[0].digest == once.refs[0].digest
    assert got.equals(Lake(cut / "lake").get("raw_trades", symbol=SYMBOL))
    assert min(venue.requests) >= START + (0 if not cuts else 1)


def test_a_millisecond_fuller_than_a_page_is_counted_as_a_hole(tmp_path):
    """Fifty trades in one millisecond at twenty a page: what cannot be asked for is said, and the rest comes home."""
    venue = Venue([START] * 3 + [START + 5] * 50 + [START + 9, START + 11])
    report, got = fetch(tmp_path, venue)
    assert report.holes == 1
    assert got["ts_us"][-1] == (START + 11) * 1_000
    assert got.height == 3 + 20 + 2


def test_a_venue_that_looks_an_hour_ahead_is_walked_through_its_silence(tmp_path):
    """Five silent hours between two trades, and a venue that searches one hour: the second trade is found."""
    venue = Venue([START, START + 5 * HOUR_MS + 7], window_ms=HOUR_MS)
    report, got = fetch(tmp_path, venue, until=START + 6 * HOUR_MS)
    assert report.rows == got.height == 2
    assert len(venue.requests) < 12


def test_the_end_of_the_span_is_not_in_it(tmp_path):
    """Trades at and after --until are left out, and nothing is asked beyond the page that shows them."""
    venue = Venue([START + k for k in range(100)])
    report, _ = fetch(tmp_path, venue, until=START + 50)
    assert report.rows == 50
    assert len(venue.requests) <= 4


def test_a_venue_that_always_gives_its_latest_ends_the_download(tmp_path):
    """A venue deaf to `since` is asked twice, not for ever; the first row shows how far back it reached."""
    venue = Venue([START + k for k in range(100)], latest_only=True)
    report, _ = fetch(tmp_path, venue)
    assert report.rows == 20
    assert report.first_us == (START + 80) * 1_000
    assert len(venue.requests) <= 3


def test_trades_without_ids_are_told_apart_by_what_they_are(tmp_path):
    """No id at all: time, price, quantity and side stand in for it; a second run adds nothing."""
    venue = Venue(bursts(n=80), with_ids=False)
    first, _ = fetch(tmp_path, venue, lake=tmp_path / "lake")
    again, _ = fetch(tmp_path, venue, lake=tmp_path / "lake")
    assert first.rows == len(venue.rows)
    assert again.refs == first.refs


@pytest.mark.parametrize("bad", [{"price": -1.0}, {"timestamp": None}, {"amount": float("nan")}])
def test_a_page_with_an_impossible_trade_is_refused(tmp_path, bad):
    """A price below zero, no time, no quantity: the download stops and says so; nothing of it is kept as true."""
    from decot.errors import GapInData

    venue = Venue(bursts(n=80))
    venue.rows[30] = {**venue.rows[30], **bad}
    with pytest.raises(GapInData, match="start again"):
        fetch(tmp_path, venue)
