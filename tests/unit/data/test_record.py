"""Recording the loopback venue through ccxt.pro: nothing lost, nothing doubled, nothing broken believed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from decot.data.exchange.faults import Faults
from decot.data.exchange.feed import Frames
from decot.data.exchange.venue import point, serve
from decot.data.lake import Lake
from decot.data.record import RecordConfig, RecordReport, record
from decot.data.record_store import Lines, Segments, write_whole
from decot.data.tapes import open_tape
from decot.errors import ConfigError, VenueUnavailable

SYMBOL, COLUMNS = "BTC/USDT", ["ts_us", "trade_id", "price", "quantity", "side"]
KEYS = {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}


def tape(seconds: int = 120, symbol: str = SYMBOL, seed: int = 1) -> Frames:
    """A random walk: 12 book rows with depth and 6 trades a second."""
    rng = np.random.default_rng(seed)
    n, m = seconds * 12, seconds * 6
    at = 1_700_000_000_000_000 + np.sort(rng.choice(seconds * 1_000, n, replace=False)) * 1_000
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, n))
    sizes = rng.integers(100, 500, (n, 2)) / 1000
    book = pl.DataFrame(
        {
            "ts_us": at,
            "recv_us": at,
            "bid": (mid - 1) / 100,
            "bid_qty": sizes[:, 0],
            "ask": (mid + 1) / 100,
            "ask_qty": sizes[:, 1],
        }
    ).with_columns(
        bid_qty_5=pl.col("bid_qty") * 5,
        ask_qty_5=pl.col("ask_qty") * 5,
        bid_qty_20=pl.col("bid_qty") * 20,
        ask_qty_20=pl.col("ask_qty") * 20,
    )
    row = np.sort(rng.integers(0, n, m))
    side = rng.choice([-1, 1], m).astype(np.int8)
    trades = pl.DataFrame(
        {
            "ts_us": at[row],
            "recv_us": at[row],
            "trade_id": np.arange(500, 500 + m),
            "price": (mid[row] + side) / 100,
            "quantity": rng.integers(1, 100, m) / 1000,
            "side": side,
        }
    )
    return Frames(symbol, trades, book)


def listen(
    folder: Path, what, *, faults=None, speed=60.0, act=None, wait=3, **settings
) -> tuple[RecordReport, dict]:
    """Record a whole replay; `act(venue)` may meddle meanwhile."""
    base = {
        "stale_after_s": 1.0,
        "heartbeat_s": 0.5,
        "grace_s": 0.05,
        "client": KEYS,
        "lake": folder / "lake",
    }
    config = RecordConfig(folder=folder / "record", **{**base, **settings})

    async def main():
        async with serve(what, faults=faults, speed=speed, wait_streams=wait) as venue:
            stop = asyncio.Event()
            task = asyncio.create_task(record(config, stop, prepare=lambda client: point(client, venue.port)))
            ended = asyncio.create_task(venue.done.wait())
            meddling = asyncio.create_task(act(venue)) if act else None
            await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.1)
            stop.set()
            report = await asyncio.wait_for(task, 60)
            ended.cancel()
            if meddling:
                await meddling
            return report, venue.state()

    return asyncio.run(main())


def trades_of(report: RecordReport, k: int = 0) -> pl.DataFrame:
    return pl.read_parquet(Path(report.symbols[k].tape) / "trades.parquet").select(COLUMNS).sort("trade_id")


def test_in_fair_weather_every_frame_becomes_its_row(tmp_path):
    """All trades and all quotes of the tape with their sizes and depth sums, in the lake and as a tape to open."""
    report, _ = listen(tmp_path, tape())
    one = report.symbols[0]
    assert trades_of(report).equals(tape().trades.select(COLUMNS))
    assert (one.coverage_pct, one.missing, one.duplicates, one.gaps, report.refused) == (100.0, 0, 0, {}, {})
    opened = open_tape(Path(one.tape))
    top = ["ts_us", "bid", "bid_qty", "ask", "ask_qty"]
    assert opened.book.select(top).equals(tape().book.select(top))
    assert (opened.book["bid_qty_5"] > opened.book["bid_qty"]).mean() > 0.9, "sums come from the depth stream"
    assert Lake(tmp_path / "lake").get("raw_trades", symbol=SYMBOL).height == one.trades
    assert abs(report.skew_ms) < 100
    lines = list(Lines(tmp_path / "record" / "frames").read())
    assert sum('"e":"trade"' in line for line in lines) == one.trades


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_storm_no_trade_is_lost_or_doubled(tmp_path, seed):
    """With every fault on: the back-filled trades equal the tape, book rows are rows of the tape, gaps are written."""
    faults = Faults.all(0.02, seed=seed, stall_s=2.5, retry_after_s=0.15, skew_ms=400)
    report, state = listen(tmp_path, tape(), faults=faults, speed=30)
    one = report.symbols[0]
    assert trades_of(report).equals(tape().trades.select(COLUMNS))
    assert (one.missing, one.coverage_pct) == (0, 100.0)
    assert one.filled > 0
    assert one.gaps["ids"] > 0
    assert sum(report.refused.values()) > 0
    assert state["requests_while_banned"] == 0
    assert report.skew_ms == pytest.approx(400, abs=100)
    top = ["bid", "bid_qty", "ask", "ask_qty"]
    book = pl.read_parquet(Path(one.tape) / "book.parquet").select(top)
    assert book.join(tape().book.select(top), on=top, how="anti").is_empty()
    gaps = Lake(tmp_path / "lake").get("record_gaps", symbol=SYMBOL)
    assert (gaps["to_us"] >= gaps["from_us"]).all()
    assert gaps.filter(pl.col("stream") == "trades")["n_filled"].sum() <= one.filled


def test_the_watchdog_fires_within_two_intervals(tmp_path):
    """A socket that stays open and silent is noticed, reconnected and its loss back-filled."""

    async def silence(venue):
        await asyncio.sleep(1.0)
        venue.arm("stall", 3)

    report, _ = listen(tmp_path, tape(), faults=Faults(stall_s=30), speed=25, act=silence, stale_after_s=0.6)
    assert report.stalls > 0
    assert 1 < report.stall_noticed_after <= 2
    assert trades_of(report).equals(tape().trades.select(COLUMNS))
    assert report.symbols[0].gaps["stall"] == report.stalls


def test_a_thousand_broken_frames_enter_nothing(tmp_path):
    """A venue that sends garbage before a third of its frames: over 1,000 refused with reasons, tables as the tape."""
    report, state = listen(tmp_path, tape(200), faults=Faults(garbage=0.3, seed=3), speed=20)
    assert state["faults_seen"]["garbage"] >= 1_000
    assert sum(report.refused.values()) >= 1_000
    assert len(report.refused) >= 10
    assert trades_of(report).equals(tape(200).trades.select(COLUMNS))
    assert (report.symbols[0].missing, report.symbols[0].quotes) == (0, tape(200).book.height)
    assert len(list(Lines(tmp_path / "record" / "refused").read())) == sum(report.refused.values())


def test_two_symbols_and_no_key(tmp_path):
    """Two tapes at once, the last thousand trades asked for without an API key."""
    both = [tape(60), tape(60, symbol="ETH/USDT", seed=2)]
    report, _ = listen(
        tmp_path,
        both,
        faults=Faults(drop=0.02, disconnect=0.002, seed=4),
        speed=30,
        wait=6,
        symbols=(SYMBOL, "ETH/USDT"),
        client={"enableRateLimit": False},
    )
    for k, one in enumerate(both):
        assert trades_of(report, k).equals(one.trades.select(COLUMNS))
        assert report.symbols[k].filled > 0


def test_venues_whose_frames_we_cannot_read_are_recorded_from_what_ccxt_says(tmp_path):
    """Without reading frames the trades are still all here; duplicates of a reconnect are dropped."""
    report, _ = listen(
        tmp_path, tape(60), faults=Faults(disconnect=0.003, seed=1), speed=20, read_frames=False
    )
    assert trades_of(report).equals(tape(60).trades.select(COLUMNS))
    assert report.symbols[0].quotes > 0


def test_a_recording_continued_fills_the_time_it_was_down(tmp_path):
    """Stopped half-way and started again in the same folder: what happened in between is asked for."""
    whole = tape(60)

    async def main():
        config = RecordConfig(
            folder=tmp_path / "record", lake=tmp_path / "lake", client=KEYS, heartbeat_s=0.5, grace_s=0.05
        )
        reports = []
        async with serve(whole, speed=20, wait_streams=3) as venue:
            for pause in (0.7, 0.0):
                stop = asyncio.Event()
                task = asyncio.create_task(
                    record(config, stop, prepare=lambda client: point(client, venue.port))
                )
                await (asyncio.sleep(1.2) if pause else venue.done.wait())
                stop.set()
                reports.append(await task)
                await asyncio.sleep(pause)
        return reports

    first, second = asyncio.run(main())
    assert first.symbols[0].trades < second.symbols[0].trades
    assert second.symbols[0].filled > 0
    assert trades_of(second).equals(whole.trades.select(COLUMNS))
    held = Lake(tmp_path / "lake").get("raw_trades", symbol=SYMBOL)
    assert held.select(COLUMNS).sort("trade_id").equals(whole.trades.select(COLUMNS))


def test_what_cannot_be_recorded_is_said_at_once(tmp_path, monkeypatch):
    """Unknown exchange, unknown symbol, impossible settings, nobody at the door."""
    from decot.data import record_client

    with pytest.raises(ConfigError, match=r"(?s)symbols.*stale_after_s"):
        RecordConfig(folder=tmp_path, symbols=(), stale_after_s=0)
    with pytest.raises(ConfigError, match="nosuchvenue"):
        asyncio.run(record(RecordConfig(folder=tmp_path, exchange="nosuchvenue"), asyncio.Event()))
    with pytest.raises(ConfigError, match="DOGE"):
        listen(tmp_path, tape(5), symbols=("DOGE/USDT",))
    monkeypatch.setattr(record_client, "FIRST_PAUSE_S", 0.001)
    config = RecordConfig(folder=tmp_path / "x", client=KEYS)
    with pytest.raises(VenueUnavailable, match="attempts failed"):
        asyncio.run(record(config, asyncio.Event(), prepare=lambda client: point(client, 9)))


def test_a_torn_segment_is_no_segment(tmp_path):
    """A write that dies leaves nothing behind but a .tmp, which the next start removes."""
    store = Segments(tmp_path / "a", {"x": pl.Int64()})
    store.rows = [(1,), (2,)]
    store.flush()

    def die(path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "a" / "00000002.parquet", die)
    again = Segments(tmp_path / "a", {"x": pl.Int64()})
    assert again.count == 1
    assert again.read()["x"].to_list() == [1, 2]
    assert not list((tmp_path / "a").glob("*.tmp"))
