"""A session of several lives run again: every fill the simulator's, whatever a life took over from the one before."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from decot.data.record_decode import Quote
from decot.experiment.again import lives_again
from decot.experiment.live_report import lives_of
from decot.features.kernel import OUT_NAMES
from decot.live.feed import EventPace
from decot.live.hand_paper import PaperHand
from decot.live.journal import Journal
from decot.live.record import read
from decot.live.risk import Guard, Limits
from decot.live.snapshot import live_folder, read_lines
from decot.live.worker import Worker
from decot.live.worker_parts import WorkerConfig
from decot.market.account import Account
from decot.market.rules import load_rules

RULES = load_rules("demo", "BTC-USD")


class Falling:
    """Quotes half a second apart from bar `first` on; the price falls, so that the account is no longer what it was."""

    def __init__(self, pace, first, n):
        self.pace, self.first, self.n = pace, first, n
        self.counts, self.skew_ms, self.silent_s = Counter(), 0.0, 0.0

    async def run(self, ear):
        for k in range(2 * self.first, 2 * (self.first + self.n)):
            price = 90_000.0 - 12 * k
            recv = self.pace.heard((k + 1) * 500_000)
            ear.on_quote(recv, recv, Quote("B", recv, k, price, 1.0, price + 1, 1.0), (1.0, 1.0, 1.0, 1.0))
            await asyncio.sleep(0)


class Restless:
    """Long, short, flat, long …, a few bars each."""

    def __init__(self):
        self.n = 0

    def read(self, t_ms, values):
        return np.zeros(len(OUT_NAMES) + 31)

    def decide(self, row, position):
        self.n += 1
        action = (1, 1, 1, -1, -1, 0, 1)[self.n // 3 % 7]
        return SimpleNamespace(action=action, words=np.zeros(9, np.int8), forecasts=(), say=lambda lang: "")


def live_once(home, first, n, *, is_killed=False):
    """One life of a paper session, over bars `first` … `first + n`."""
    journal = Journal.open(live_folder(home) / "s" / "journal.sqlite", "test", now_ms=0)
    pace = EventPace()
    hand = PaperHand(journal, RULES, Account(), session="s", now_ms=lambda: pace.now_us() // 1_000)
    config = WorkerConfig(session="s", symbol="B", show_s=10.0)
    guard = Guard(Limits(daily_loss_usdt=18.0, drawdown_bps=9_900.0))
    worker = Worker(config, home, Restless(), hand, Falling(pace, first, n), pace, guard)

    async def until_killed():
        running = asyncio.create_task(worker.run())
        while worker.n_bars < n - 5 or not hand.position:
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(until_killed() if is_killed else worker.run())
    journal.close()


def test_every_life_fills_as_the_simulator_does(tmp_path):
    """Killed holding something, gone on with other cash than the account began with, begun once more flat."""
    live_once(tmp_path, 0, 60, is_killed=True)
    live_once(tmp_path, 80, 60)
    live_once(tmp_path, 160, 60)
    folder = live_folder(tmp_path) / "s"
    recorded, fills = read(folder), read_lines(tmp_path, "s", "fills", 10**6)
    lives = lives_of(folder, "paper", recorded, read_lines(tmp_path, "s", "events", 10**6))
    assert [(life.number, life.has_ended, life.begins_with is None) for life in lives] == [
        (0, False, True),
        (1, True, False),
        (2, True, False),
    ]
    again = lives_again(
        lambda: None, [replace(life, warm=None) for life in lives], recorded, fills, RULES, Account()
    )
    assert again.n_matched == again.n_fills == again.n_simulated > 30
    assert all(life.n_matched == life.n_fills > 5 for life in again.lives)
    assert abs(again.equity_error_usdt) < 1e-9
    assert recorded.column("equity_usdt")[-1] < 18.9
