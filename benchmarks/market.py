"""How fast accounts live through a tape, beside hftbacktest and gym-trading-env, all in one run on one core.

    python -m benchmarks.market [--json] [--rows 300000]

Like for like: one made tape (two book updates and 2.4 prints a bar), random targets that are drawn anew every 20 bars
(`every_bar`: at each), one post-only policy (rest at the touch seen, move when it moves, leave before entering), one
latency, the same fees, tick and lot, 19 USDT a position and capital enough that nobody is ruined. An account-step is one bar
one account lives through. Peers are skipped by name where they are not installed:
`pip install --no-deps hftbacktest==2.4.4 gym-trading-env==0.3.5` is enough, they need nothing else here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numba import njit

from decot.market.account import Account
from decot.market.batch import simulate_many
from decot.market.env import EnvConfig, Seats, TradingEnv
from decot.market.rules import load_rules
from decot.market.tape import Tape

BAR_MS = 100
LATENCY_MS = 150
TICK = 0.1
TARGETS = {"taker_account_steps_per_s": 10e6, "hftbacktest": 2.0, "gym-trading-env": 500.0}


def made_tape(n: int, seed: int = 0) -> Tape:
    """A walk on the tick grid, one tick wide, with sizes and prints at the touch."""
    rng = np.random.default_rng(seed)
    bid = np.round(900_000 + np.cumsum(rng.choice([-1, 0, 0, 0, 1], n))) * TICK
    ask = bid + TICK
    time_ms = 1_700_000_000_000 + np.arange(n) * BAR_MS
    tape = Tape.of(
        time_ms, bid, ask, rng.exponential(0.5, n) + 1e-3, rng.exponential(0.5, n) + 1e-3, LATENCY_MS
    )
    at = np.sort(rng.integers(1, n, int(2.4 * n)))
    side = rng.choice([-1, 1], len(at))
    price = np.where(side > 0, ask[at - 1], bid[at - 1])
    return tape.with_prints(time_ms[at], price, rng.exponential(0.3, len(at)) + 1e-4, side)


def rate(work: Callable[[], int], rounds: int = 3) -> float:
    """Median steps per CPU-second of a piece of work that says how many steps it did; warmed up once."""
    work()
    found = []
    for _ in range(rounds):
        before = time.process_time()
        steps = work()
        found.append(steps / (time.process_time() - before))
    return statistics.median(found)


def measure_ours(tape: Tape, targets: np.ndarray) -> dict[str, float]:
    """Taker batch (random targets every bar, and calm ones), post-only alone and in a batch, and the environment."""
    rules = load_rules("standx-like", "BTC-USD")
    n = len(tape)
    many = np.random.default_rng(1).integers(-1, 2, (16, n)).astype(np.int8)
    calm = np.ascontiguousarray(np.repeat(many[:, : n // 20 + 1], 20, axis=1)[:, :n])
    rich = Account(capital_usdt=190_000.0, leverage=1e-4)
    post = replace(rich, execution="post_only")
    done = simulate_many(tape, targets[None], rules, post)
    taken = simulate_many(tape, calm, rules, rich)
    out = {
        "taker_account_steps_per_s": rate(lambda: simulate_many(tape, calm, rules, rich) and calm.size),
        "taker_every_bar_account_steps_per_s": rate(
            lambda: simulate_many(tape, many, rules, rich) and many.size
        ),
        "post_only_steps_per_s": rate(lambda: simulate_many(tape, targets[None], rules, post) and n),
        "post_only_batch_steps_per_s": rate(lambda: simulate_many(tape, calm, rules, post) and calm.size),
        "post_only_fills": float(done.n_fills[0]),
        "taker_fills": float(taken.n_fills.mean()),
    }
    env = TradingEnv(np.zeros((n, 41), np.float32), tape, rules, None, EnvConfig(episode_rows=n))
    seats = Seats(np.zeros((n, 41), np.float32), tape, rules, rich, EnvConfig(episode_rows=n), 256)
    out["vec_env_steps_per_s"] = rate(lambda: step_seats(seats, calm[:, :256].T))
    out["gymnasium_env_steps_per_s"] = rate(
        lambda: step_env(env, np.random.default_rng(2).integers(0, 3, 20_000))
    )
    return out


def step_env(env: Any, actions: np.ndarray) -> int:
    """Drive a gymnasium environment through these actions."""
    env.reset(seed=0)
    for action in actions.tolist():
        _, _, ended, cut, _ = env.step(action)
        if ended or cut:
            env.reset()
    return len(actions)


def step_seats(seats: Seats, targets: np.ndarray) -> int:
    """Drive 256 accounts, observations included, as the VecEnv does."""
    seats.seat(np.arange(256), np.random.default_rng(0))
    for row in np.tile(targets, (1, 16))[:100]:
        seats.step(row + 1)
        seats.observe()
    return 100 * 256


def hft_events(tape: Tape) -> np.ndarray:
    """The tape as hftbacktest events: per bar its prints, then both sides of the book."""
    import hftbacktest as hft

    n, count = len(tape), np.diff(tape.offsets)
    rows = np.repeat(np.arange(n), count)
    both = hft.EXCH_EVENT | hft.LOCAL_EVENT
    size = len(rows) + 4 * n
    out = np.zeros(size, hft.event_dtype)
    bar_ns = tape.timestamp * 1_000_000
    kind, stamp, px, qty = [], [], [], []
    kind.append(np.where(tape.prints[:, 2] > 0, hft.BUY_EVENT, hft.SELL_EVENT) | hft.TRADE_EVENT | both)
    stamp.append(bar_ns[rows] - 1_000_000)
    px.append(tape.prints[:, 0])
    qty.append(tape.prints[:, 1])
    for side, price, shown in (
        (hft.BUY_EVENT, tape.bid, tape.bid_qty),
        (hft.SELL_EVENT, tape.ask, tape.ask_qty),
    ):
        gone = np.r_[False, np.diff(price) != 0]
        for p, q, mask in (
            (np.r_[price[0], price[:-1]], np.zeros(n), gone),
            (price, shown, np.ones(n, bool)),
        ):
            kind.append(np.full(int(mask.sum()), hft.DEPTH_EVENT | side | both))
            stamp.append(bar_ns[mask] - 1)
            px.append(p[mask])
            qty.append(q[mask])
    stamps = np.concatenate(stamp)
    order = np.argsort(stamps, kind="stable")
    out = out[: len(stamps)]
    out["ev"], out["px"], out["qty"] = (np.concatenate(x)[order] for x in (kind, px, qty))
    out["exch_ts"] = out["local_ts"] = stamps[order]
    return out


def measure_hftbacktest(tape: Tape, targets: np.ndarray) -> dict[str, float]:
    """One account, post-only, queue model, partial fills and constant latency in hftbacktest's own step loop."""
    import hftbacktest as hft

    events = hft_events(tape)
    rules = load_rules("standx-like", "BTC-USD")
    step_ns = BAR_MS * 1_000_000

    @njit
    def play(hbt: Any, targets: np.ndarray, qty: float) -> tuple[int, int]:
        n, changes, last, number = 0, 0, 0.0, 0
        side, limit, live = 0, 0.0, False
        while n < len(targets) and hbt.elapse(step_ns) == 0:
            hbt.clear_inactive_orders(0)
            held, depth, orders = hbt.position(0), hbt.depth(0), hbt.orders(0)
            live = number in orders
            changes += held != last
            last = held
            sign = 1 if held > qty / 2 else (-1 if held < -qty / 2 else 0)
            target = targets[n]
            want = target if target != 0 and target != sign else -sign
            if target == sign:
                if live and orders.get(number).cancellable:
                    hbt.cancel(0, number, False)
            else:
                touch = depth.best_bid if want > 0 else depth.best_ask
                if live and (side != want or abs(limit - touch) > 1e-9):
                    if orders.get(number).cancellable:
                        hbt.cancel(0, number, False)
                elif not live:
                    number += 1
                    side, limit = want, touch
                    if want > 0:
                        hbt.submit_buy_order(0, number, touch, qty, hft_gtx, hft_limit, False)
                    else:
                        hbt.submit_sell_order(0, number, touch, qty, hft_gtx, hft_limit, False)
            n += 1
        return n, changes

    hft_gtx, hft_limit = hft.GTX, hft.LIMIT
    seen = {"changes": 0}

    def once() -> tuple[float, int]:
        asset = (
            hft.BacktestAsset()
            .data(events)
            .linear_asset(1.0)
            .constant_order_latency(LATENCY_MS * 1_000_000, 0)
            .risk_adverse_queue_model()
            .partial_fill_exchange()
            .trading_value_fee_model(rules.maker_bps * 1e-4, rules.taker_bps * 1e-4)
            .tick_size(TICK)
            .lot_size(rules.lot)
            .roi_lb(float(tape.bid.min()) - 100)
            .roi_ub(float(tape.ask.max()) + 100)
        )
        hbt = hft.ROIVectorMarketDepthBacktest([asset])
        before = time.process_time()
        steps, changes = play(hbt, targets, 2e-4)
        spent = time.process_time() - before
        hbt.close()
        seen["changes"] = changes
        return spent, steps

    once()
    found = [steps / spent for spent, steps in (once() for _ in range(3))]
    return {
        "steps_per_s": statistics.median(found),
        "position_changes": float(seen["changes"]),
        "events": float(len(events)),
    }


def measure_gym_trading_env(tape: Tape, targets: np.ndarray) -> dict[str, float]:
    """Its environment on the first 20,000 bars, three positions and fees, without a window (its fastest) and with 100."""
    import pandas as pd
    from gym_trading_env.environments import TradingEnv as PeerEnv

    n = min(20_000, len(tape))
    frame = pd.DataFrame(
        {"close": tape.mid[:n], "open": tape.mid[:n], "high": tape.ask[:n], "low": tape.bid[:n]}
    )
    frame["volume"] = 1.0
    for k in range(41):
        frame[f"feature_{k}"] = np.zeros(n, np.float32)
    frame.index = pd.to_datetime(tape.timestamp[:n], unit="ms")
    calm, hasty = targets[:4_000].astype(np.int64) + 1, np.random.default_rng(3).integers(0, 3, 4_000)
    out = {}
    for name, windows, actions in (
        ("steps_per_s", None, calm),
        ("every_bar_steps_per_s", None, hasty),
        ("window_100_steps_per_s", 100, calm),
    ):
        env = PeerEnv(
            df=frame,
            positions=[-1, 0, 1],
            windows=windows,
            trading_fees=4e-4,
            borrow_interest_rate=0.0,
            portfolio_initial_value=19,
            verbose=0,
        )
        out[name] = rate(lambda env=env, actions=actions: step_env(env, actions))
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="last line of stdout is one JSON object")
    parser.add_argument("--rows", type=int, default=300_000)
    args = parser.parse_args(argv)
    tape = made_tape(args.rows)
    targets = np.repeat(np.random.default_rng(4).integers(-1, 2, args.rows // 20 + 1), 20)[
        : args.rows
    ].astype(np.int8)

    print(f"ours on {args.rows:,} bars ...", file=sys.stderr)
    ours = measure_ours(tape, targets)
    peers: dict[str, dict[str, float]] = {}
    skipped = []
    for name, module, measure in (
        ("hftbacktest", "hftbacktest", lambda: measure_hftbacktest(tape, targets)),
        ("gym-trading-env", "gym_trading_env", lambda: measure_gym_trading_env(tape, targets)),
    ):
        if importlib.util.find_spec(module) is None:
            skipped.append(name)
            print(f"{name} is not installed: skipped", file=sys.stderr)
            continue
        print(f"{name} ...", file=sys.stderr)
        peers[name] = measure()

    ratios = {}
    if "hftbacktest" in peers:
        ratios["hftbacktest"] = ours["post_only_steps_per_s"] / peers["hftbacktest"]["steps_per_s"]
    if "gym-trading-env" in peers:
        peer = peers["gym-trading-env"]
        ratios["gym-trading-env"] = ours["taker_account_steps_per_s"] / peer["steps_per_s"]
        ratios["gym-trading-env/every-bar"] = (
            ours["taker_every_bar_account_steps_per_s"] / peer["every_bar_steps_per_s"]
        )
    reached = ratios | {"taker_account_steps_per_s": ours["taker_account_steps_per_s"]}
    report = {
        "name": "market",
        "ours": ours,
        "peers": peers,
        "skipped": skipped,
        "ratios": ratios,
        "targets": TARGETS,
        "met": all(reached.get(name, 0.0) >= bound for name, bound in TARGETS.items()),
    }
    if args.json:
        print(json.dumps(report))
        return 0
    for side, figures in {"ours": ours, **peers}.items():
        for name, figure in figures.items():
            print(f"{side:>16}  {name:<38} {figure:>16,.0f}")
    for name, ratio in ratios.items():
        print(f"{name:>26}  {ratio:,.1f}x (target {TARGETS.get(name, 0):g}x)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
