"""Whole sessions over real ccxt.pro: a StandX hour and a Binance capture, on paper and "live" on loopback.

    DECOT_TAPES=… python -m benchmarks.paper --json [--source standx binance] [--mode paper live]

On paper the fills must be the simulator's in price, time and quantity; live, the venue's own record, the journal and the
session table must say the same. Either way every decision must come out again in the replay, bit for bit. The agent is
untrained and loud (`live_home`): what it earns means nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import live_home
from decot.data.exchange.venue import Venue, serve
from decot.data.tapes import open_tape
from decot.experiment.place import Place
from decot.live.journal import Journal, verify

SOURCES = {
    "standx": ("standx-btcusd", None, 200.0, 60.0, 20.0),
    "binance": ("binance-ws", "spot_btcusdt_20240808-09", 5.0, 60.0, 2.0),
}
"""folder, symbol, minutes before the session, minutes of it (as far as the tape goes), speed: a busy tape is hurried less,
or frames queue up and every socket tells another time"""
WHOLE = 0.97
"""share of the tape's seconds that must have become bars; what is short of it ended early and proves nothing"""


async def session(source: str, mode: str, speed: float, say: Any) -> dict[str, Any]:
    """One whole session; its figures, and whether everybody says the same."""
    folder, symbol, before, minutes, usual = SOURCES[source]
    tape = open_tape(Path(os.environ["DECOT_TAPES"]) / folder, symbol=symbol)
    stretch = live_home.Stretch.of(tape, before, minutes)
    span = stretch.now.book["recv_us"]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as kept:
        home = Path(kept) / "home"
        digest = live_home.make(home, stretch.before, is_watched=False)
        rules = live_home.rules_for(mode)
        pace = speed or usual
        async with serve(stretch.now, rules if mode == "live" else None, speed=pace, wait_streams=3) as venue:
            order = {
                "digest": digest, "mode": mode, "home": str(home), "speed": pace, "session": mode, "quiet_s": 8.0,
                "symbol": next(iter(venue.feeds.values())).name, "warm_bars": 5, "port": venue.port,
                "origin_us": venue.replay.now_us, "limits": live_home.WILD | {"stale_s": 60.0},
                "venue": "binance-spot/BTC-USDT" if mode == "live" else "",
            }  # fmt: skip
            process = await live_home.start(order, Path(kept) / "log")
            out = (await process.stdout.read()).decode()  # type: ignore[union-attr]
            if await process.wait():
                raise SystemExit((Path(kept) / "log").read_text()[-3_000:])
            said = json.loads(out.strip().splitlines()[-1])
            agree = _agree(venue, home, said, mode)
            is_over = venue.replay.done.is_set()
    replay = said["replay"]
    exact = replay["n_matched"] == replay["n_fills"] == replay["n_simulated"] > 0
    same = replay["n_same"] == replay["n_decisions"] == said["bars"] > 0
    agree["heard_the_whole_tape"] = is_over and said["bars"] > WHOLE * (int(span[-1]) - int(span[0])) / 1e6
    told = {
        "tape_minutes": round((int(span[-1]) - int(span[0])) / 6e7, 1),
        "quotes": stretch.now.book.height,
        "trades": stretch.now.trades.height,
        "speed": pace,
        "rules": "binance-spot/BTC-USDT without fees" if mode == "live" else "demo/BTC-USD",
        **{name: said[name] for name in ("bars", "fills", "state", "why", "is_flat", "net_bps")},
        "replay": {name: value for name, value in replay.items() if name != "lives"},
        "agree": agree,
        "met": bool(same and said["is_flat"] and all(agree.values()) and (exact or mode == "live")),
        "seconds": round(time.monotonic() - begun, 1),
    }
    say(f"{source} {mode}: {told}")
    return told


def _agree(venue: Venue, home: Path, said: dict[str, Any], mode: str) -> dict[str, bool]:
    """Venue, journal and session table, two by two."""
    path = home / "live" / mode / "journal.sqlite"
    found = {"journal_is_whole": verify(path) > 0}
    journal = Journal.open(path, "judge", now_ms=0)
    try:
        fills = {event.payload["trade_id"]: event.payload for event in journal.events("fill")}
        intents = {event.client_id for event in journal.events("intent")}
        opening = journal.events("opening")[0].payload
    finally:
        journal.close()
    quote = float(opening["quote"]) - sum(
        one["side"] * one["qty"] * one["price"] + (one["fee"] if one["fee_in"] == "quote" else 0.0)
        for one in fills.values()
    )
    place = Place(home)
    table = place.lake.get("session", symbol=place.lake.symbols("session")[0])
    last = said["capital_usdt"] + float(table["cumulative_pnl"][-1])
    found["table_has_41_columns"] = table.width == 41
    found["table_is_journal"] = abs(last - quote) < 1e-4  # flat: all of it is cash
    found["every_fill_was_shown"] = len(fills) == said["fills"]
    if mode == "live":
        theirs = {fill["id"] for fill in venue.desk.fills}
        names = [order.client_id for order in venue.desk.orders.values()]
        money = float(venue.desk.free[next(iter(venue.feeds.values())).quote])
        found["fills_are_the_venues"] = theirs == set(fills)
        found["orders_are_ours_and_once"] = len(names) == len(set(names)) and set(names) <= intents
        found["balance_is_the_venues"] = abs(money - quote) < 1e-4
        found["nothing_is_open"] = not venue.desk.open_orders()
    return found


def main() -> int:
    """0 when everybody says the same in every session."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--mode", nargs="+", default=["paper", "live"], choices=["paper", "live"])
    parser.add_argument(
        "--speed",
        type=float,
        default=0.0,
        help="of the tape; each source its own if 0",
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        print(
            json.dumps(
                {"name": "paper", "skipped": ["set DECOT_TAPES to the folder of recorded tapes"], "met": None}
            )
        )
        return 0
    told = {
        f"{source} {mode}": asyncio.run(
            session(source, mode, asked.speed, lambda text: print(text, file=sys.stderr, flush=True))
        )
        for source in asked.source
        for mode in asked.mode
    }
    result = {"name": "paper", "sessions": told, "met": all(one["met"] for one in told.values())}
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
