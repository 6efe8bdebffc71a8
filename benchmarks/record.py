"""The recorder against the loopback venue, all faults on: is anything lost, doubled or unnoticed, and how fast.

    python -m benchmarks.record --seeds 50 --json
    python -m benchmarks.record --kills 100 --json      # also kill −9 at random moments

Each seed replays one capture of a real venue at `--speed` with its own faults. Needs the recorded tapes
(DECOT_TAPES, else ../shared/data); without them a made-up tape of the same shape is replayed, and the result says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAPTURE = "trades_spot_btcusdt_20230405-05.parquet"
SYMBOL = "BTC/USDT"
KEYS = {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}


@dataclass(frozen=True)
class Plan:
    """How one replay is set up."""

    speed: float = 60.0
    level: float = 0.01
    stale_s: float = 1.0
    stall_s: float = 2.5
    offset_s: float = 0.0
    seconds: float = 1e9


def capture() -> tuple[Any, str]:
    """The tape to replay and where it is from."""
    import polars as pl

    from decot.data.exchange.feed import Frames

    folder = (
        Path(os.environ.get("DECOT_TAPES", Path(__file__).resolve().parents[2] / "shared" / "data"))
        / "binance-ws"
    )
    if not (folder / CAPTURE).is_file():
        from decot.data.worlds import WorldConfig, make_world

        world = make_world(WorldConfig(days=1, seconds_per_day=600))
        return Frames(SYMBOL, world.trades, world.book), "made-up world (recorded tapes absent)"
    trades = pl.read_parquet(folder / CAPTURE).select(
        ts_us=pl.col("trade_ms") * 1000,
        recv_us="recv_us",
        trade_id="trade_id",
        price="price",
        quantity="qty",
        side=pl.col("taker_side").cast(pl.Int8),
    )
    book = pl.read_parquet(folder / CAPTURE.replace("trades", "bbo")).select(
        pl.col("recv_us").alias("ts_us"), "recv_us", "bid", "bid_qty", "ask", "ask_qty", "update_id"
    )
    return Frames(SYMBOL, trades, book), f"binance-ws/{CAPTURE}"


def cut(tape: Any, offset_s: float, seconds: float) -> Any:
    """A stretch of the tape."""
    import polars as pl

    from decot.data.exchange.feed import Frames

    begin = int(tape.book["recv_us"][0]) + int(offset_s * 1e6)
    inside = pl.col("recv_us").is_between(begin, begin + int(min(seconds, 1e9) * 1e6))
    return Frames(tape.symbol, tape.trades.filter(inside), tape.book.filter(inside))


async def one_seed(tape: Any, seed: int, plan: Plan, folder: Path) -> dict[str, Any]:
    """Record one stormy replay and compare with the tape."""
    import polars as pl

    from decot.data.exchange.faults import Faults
    from decot.data.exchange.venue import point, serve
    from decot.data.record import RecordConfig, record

    piece = cut(tape, plan.offset_s, plan.seconds)
    faults = Faults.all(
        plan.level, seed=seed, stall_s=plan.stall_s, retry_after_s=0.2, skew_ms=seed * 37 % 2_000 - 1_000
    )
    config = RecordConfig(
        folder=folder / "record",
        lake=folder / "lake",
        client=dict(KEYS),
        stale_after_s=plan.stale_s,
        heartbeat_s=1.0,
        grace_s=0.05,
    )
    began = time.perf_counter()
    async with serve(piece, faults=faults, speed=plan.speed, wait_streams=3) as venue:
        stop = asyncio.Event()
        task = asyncio.create_task(record(config, stop, prepare=lambda client: point(client, venue.port)))
        ended = asyncio.create_task(venue.done.wait())
        await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        replay_s = time.perf_counter() - began
        await asyncio.sleep(0.1)
        stop.set()
        report = await asyncio.wait_for(task, 120)
        state = venue.state()
    ended.cancel()
    got = pl.read_parquet(Path(report.symbols[0].tape) / "trades.parquet")
    want, columns = piece.trades.sort("trade_id"), ["ts_us", "trade_id", "price", "quantity", "side"]
    quotes = pl.read_parquet(Path(report.symbols[0].tape) / "book.parquet").select(
        "bid", "bid_qty", "ask", "ask_qty"
    )
    strange = quotes.unique().join(piece.book.select(quotes.columns).unique(), on=quotes.columns, how="anti")
    tape_s = (int(piece.book["recv_us"][-1]) - int(piece.book["recv_us"][0])) / 1e6
    return {
        "seed": seed,
        "equal": got.select(columns).sort("trade_id").equals(want.select(columns)),
        "undetected": want.height
        - got.filter(pl.col("trade_id").is_in(want["trade_id"].implode())).height
        - report.symbols[0].missing,
        "doubled": got.height - got["trade_id"].n_unique(),
        "strange_rows": strange.height,
        "trades": got.height,
        "filled": report.symbols[0].filled,
        "late": report.symbols[0].late,
        "repeats_dropped": report.symbols[0].duplicates,
        "refused": sum(report.refused.values()),
        "stalls": report.stalls,
        "stall_noticed_after": round(report.stall_noticed_after, 3),
        "reconnects": report.reconnects,
        "resyncs": report.resyncs,
        "coverage_pct": report.symbols[0].coverage_pct,
        "while_banned": state["requests_while_banned"],
        "faults": sum(state["faults_seen"].values()),
        "skew_error_ms": abs((report.skew_ms or 0) - faults.skew_ms),
        "speed": round(tape_s / replay_s, 1),
        "seconds": round(time.perf_counter() - began, 2),
    }


def storms(seeds: int, plan: Plan, first: int = 0) -> list[dict[str, Any]]:
    """One line of figures per seed; each on its own stretch of the capture."""
    tape, _ = capture()
    lines = []
    for seed in range(first, first + seeds):
        with tempfile.TemporaryDirectory() as folder:
            lines.append(asyncio.run(one_seed(tape, seed, plan, Path(folder))))
        say = lines[-1]
        print(
            f"seed {seed}: equal {say['equal']}, filled {say['filled']} of {say['trades']}, {say['faults']} faults, "
            f"watchdog after {say['stall_noticed_after']} intervals, {say['speed']}×, {say['seconds']} s",
            file=sys.stderr,
        )
    return lines


# ---- kill −9 -----------------------------------------------------------------------------------------


def _venue(pipe: Any, speed: float, faults: dict[str, Any]) -> None:
    """A venue in its own process, so that it survives its client."""
    from decot.data.exchange.faults import Faults
    from decot.data.exchange.venue import run

    tape, _ = capture()
    weather = Faults().changed(faults)
    run(tape, speed=speed, wait_streams=0, faults=weather, on_ready=lambda venue: pipe.send(venue.port))


def _download(port: int, folder: str) -> None:
    from decot.data.download import DownloadConfig, download
    from decot.data.exchange.venue import point

    tape, _ = capture()
    since, until = int(tape.trades["ts_us"].min()) // 1000, int(tape.trades["ts_us"].max()) // 1000 + 1
    config = DownloadConfig(
        folder=Path(folder) / "download",
        lake=Path(folder) / "lake",
        symbol=SYMBOL,
        kind="trades",
        since_ms=since,
        until_ms=until,
        page=50,
        flush_rows=50,
        client=dict(KEYS),
    )
    asyncio.run(download(config, prepare=lambda client: point(client, port)))


def _record(port: int, folder: str) -> None:
    """Record until the venue's tape has ended."""
    from decot.data.exchange.venue import point
    from decot.data.record import RecordConfig, record

    config = RecordConfig(
        folder=Path(folder) / "record",
        lake=Path(folder) / "lake",
        client=dict(KEYS),
        stale_after_s=5,
        heartbeat_s=0.5,
        grace_s=0.05,
        flush_s=0.1,
        commit_s=0.4,
    )

    async def main() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(record(config, stop, prepare=lambda client: point(client, port)))
        while not task.done():
            page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/_control")
            if json.load(page)["done"]:
                stop.set()
            await asyncio.sleep(0.3)
        await task

    asyncio.run(main())


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "ccxt.pro",
            "polars",
            "deltalake",
            "decot.data.download",
            "decot.data.record_session",
            "decot.data.exchange.venue",
        ]
    )
    return context


def kills(times: int, kind: str, seed: int = 0) -> dict[str, Any]:
    """Kill a download or a recording `times` times at random moments, then let it end; compare with the tape."""
    import polars as pl

    context, rng = _context(), random.Random(seed)
    tape, _ = capture()
    columns = ["ts_us", "trade_id", "price", "quantity", "side"]
    want = tape.trades.select(columns).sort("trade_id")
    mine, theirs = context.Pipe()
    speed = 0.0 if kind == "download" else 414 / (times * 0.9 + 6)
    venue = context.Process(target=_venue, args=(theirs, speed, {}), daemon=True)
    venue.start()
    if not mine.poll(120):
        raise SystemExit("the venue did not open within 120 s")
    port, killed, began = mine.recv(), 0, time.perf_counter()
    longest, wrong = 0.6, 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            while killed < times:
                worker = context.Process(
                    target=_download if kind == "download" else _record, args=(port, folder)
                )
                worker.start()
                worker.join(rng.uniform(0.05, longest if kind == "download" else 1.4))
                if worker.is_alive():
                    os.kill(worker.pid, signal.SIGKILL)
                    killed += 1
                worker.join()
                if kind == "download" and worker.exitcode == 0:  # it got through: the rest hit a fresh one
                    wrong += not _held(folder, want, columns).equals(want)
                    for file in sorted(Path(folder).rglob("*"), reverse=True):
                        file.unlink() if file.is_file() else file.rmdir()
            worker = context.Process(target=_download if kind == "download" else _record, args=(port, folder))
            worker.start()
            worker.join(120)
            got = _held(folder, want, columns)
            if kind == "record":  # what the venue traded before the recording began is not its business
                begin = int((Path(folder) / "record" / "anchors" / "BTC-USDT.json").read_text())
                want = want.filter(pl.col("trade_id") >= begin)
            torn = [file.name for file in Path(folder).rglob("*.tmp")]
            digest = "equal" if got.equals(want) and not wrong else "different"
            doubled = got.height - got["trade_id"].n_unique()
    finally:
        venue.terminate()
        venue.join()
    missing = want.height - got.filter(pl.col("trade_id").is_in(want["trade_id"].implode())).height
    return {
        "kind": kind,
        "kills": killed,
        "table": digest,
        "missing": missing,
        "doubled": doubled,
        "torn": len(torn),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _held(folder: str, want: Any, columns: list[str]) -> Any:
    from decot.data.lake import Lake

    got = Lake(Path(folder) / "lake").get("raw_trades", symbol=SYMBOL).select(columns).sort("trade_id")
    if not got.equals(want):
        print(f"after the kills the lake holds {got.height} trades, the tape {want.height}", file=sys.stderr)
    return got


def main() -> None:
    """The command."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seeds", type=int, default=10)
    ask.add_argument("--first", type=int, default=0, help="first seed")
    ask.add_argument("--speed", type=float, default=60.0)
    ask.add_argument("--level", type=float, default=0.01, help="probability of a common fault per frame")
    ask.add_argument("--kills", type=int, default=0)
    ask.add_argument("--json", action="store_true")
    asked = ask.parse_args()
    plan = Plan(speed=asked.speed, level=asked.level)
    lines = storms(asked.seeds, plan, asked.first) if asked.seeds else []
    killed = [kills(asked.kills, kind) for kind in ("download", "record")] if asked.kills else []
    figures = {
        "tape": capture()[1],
        "seeds": len(lines),
        "equal_to_the_tape": sum(line["equal"] for line in lines),
        "undetected_gaps": sum(line["undetected"] for line in lines),
        "duplicates": sum(line["doubled"] for line in lines),
        "rows_not_on_the_tape": sum(line["strange_rows"] for line in lines),
        "trades_filled": sum(line["filled"] for line in lines),
        "faults": sum(line["faults"] for line in lines),
        "frames_refused": sum(line["refused"] for line in lines),
        "stalls": sum(line["stalls"] for line in lines),
        "slowest_watchdog_intervals": max((line["stall_noticed_after"] for line in lines), default=0.0),
        "requests_while_banned": sum(line["while_banned"] for line in lines),
        "slowest_replay_speed": min((line["speed"] for line in lines), default=0.0),
        "largest_skew_error_ms": max((line["skew_error_ms"] for line in lines), default=0.0),
        "kills": killed,
    }
    met = (
        figures["equal_to_the_tape"] == len(lines)
        and figures["undetected_gaps"] == figures["duplicates"] == figures["rows_not_on_the_tape"] == 0
        and figures["requests_while_banned"] == 0
        and figures["slowest_watchdog_intervals"] <= 2
        and (not lines or figures["slowest_replay_speed"] >= 20)
        and all(k["table"] == "equal" and not k["doubled"] for k in killed)
    )
    result = {
        "name": "record",
        "ours": figures,
        "peers": {},
        "ratios": {},
        "targets": {
            "undetected_gaps": 0,
            "duplicates": 0,
            "slowest_watchdog_intervals": 2,
            "replay_speed": 20,
        },
        "met": bool(met),
    }
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
