"""The worker with a feed of its own making: bars become decisions, and what must stop it does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from decot import clock
from decot.data.record_decode import Quote
from decot.errors import MarketFault, RiskHalt
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live import hand_paper, kill, wish
from decot.live.broker import Broker, Patience
from decot.live.feed import EventPace
from decot.live.hand_live import LiveHand
from decot.live.hand_paper import PaperHand
from decot.live.journal import Journal
from decot.live.record import read
from decot.live.risk import Guard, Limits
from decot.live.scripted import FastClock, Scripted, Troubles
from decot.live.snapshot import live_folder, read_lines, read_snapshot
from decot.live.worker import Worker
from decot.live.worker_parts import WorkerConfig, allowed
from decot.market.account import Account
from decot.market.desk import Desk
from decot.market.rules import load_rules

SPOT = load_rules("binance-spot", "BTC-USDT")
CALM = Troubles(
    lost_reply=0, lost_request=0, late=0, busy=0, silent=0, old=0, doubled=0, dead=0, expired=0, pieces=0
)  # fmt: skip
SUMS = (1.0, 1.0, 1.0, 1.0)


class Scenes:
    """Quotes, a second of the market each, as fast as the loop turns; then silence."""

    def __init__(self, pace, n, *, then_silent=False, price=90_000.0):
        self.pace, self.n, self.then_silent, self.price = pace, n, then_silent, price
        self.counts, self.skew_ms, self._quoted = Counter(), 0.0, clock.stopwatch()

    @property
    def silent_s(self):
        return clock.stopwatch() - self._quoted

    async def run(self, ear):
        for k in range(self.n):
            price = self.price + (k % 7)
            recv = self.pace.heard((k + 1) * 500_000)
            ear.on_quote(recv, recv, Quote("B", recv, k, price, 1.0, price + 1, 1.0), SUMS)
            self._quoted = clock.stopwatch()
            await asyncio.sleep(0.001)
        if self.then_silent:
            await asyncio.Event().wait()


class Plan:
    """Holds what it is told to, bar by bar."""

    def __init__(self, targets):
        self.targets, self.n, self.held = targets, 0, []

    def read(self, t_ms, values):
        return np.zeros(len(OUT_NAMES) + 31)

    def decide(self, row, position):
        action = self.targets[min(self.n, len(self.targets) - 1)]
        self.n += 1
        self.held.append(position)
        return SimpleNamespace(
            action=action, words=np.zeros(9, np.int8), forecasts=(), say=lambda lang: f"{lang} {action}"
        )


def paper(tmp_path, targets, *, n=40, limits=None, past=(), then_silent=False, **config):
    pace = EventPace()
    journal = Journal.open(live_folder(tmp_path) / "s" / "journal.sqlite", "test", now_ms=0)
    rules = load_rules("demo", "BTC-USD")
    hand = PaperHand(journal, rules, Account(), session="s", now_ms=lambda: pace.now_us() // 1_000)
    feed = Scenes(pace, n, then_silent=then_silent)
    settings = WorkerConfig(session="s", symbol="B", show_s=0.01, **config)
    guard = Guard(limits or Limits())
    return Worker(settings, tmp_path, Plan(targets), hand, feed, pace, guard, past=past)


def live(tmp_path, targets, *, n=400, limits=None, **config):
    fast = FastClock()
    venue = Scripted(random.Random(1), fast, SPOT, troubles=CALM)
    journal = Journal.open(live_folder(tmp_path) / "s" / "journal.sqlite", "test", now_ms=0)
    broker = Broker(
        venue, journal, SPOT, now_ms=fast.now_ms, sleep=fast.sleep, session="s", patience=Patience()
    )
    pace = EventPace()
    hand = LiveHand(broker, Account(), touch=lambda: (90_000.0, 90_001.0))
    feed = Scenes(pace, n, then_silent=True)
    settings = WorkerConfig(session="s", symbol="B", mode="live", show_s=0.01, watch_s=0.005, **config)
    guard = Guard(limits or Limits(daily_loss_usdt=18.0, drawdown_bps=9_000.0))
    return Worker(settings, tmp_path, Plan(targets), hand, feed, pace, guard), venue


def test_a_paper_session_is_journaled_recorded_and_shown(tmp_path):
    """Fills in the journal, bars on disk, a snapshot, the sentences, and flat at the end."""
    worker = paper(tmp_path, [0, 1, 1, 1, 0])
    ended = asyncio.run(worker.run())
    recorded = read(worker.publisher.folder)
    assert ended.state == "flat"
    assert ended.flat.is_flat
    assert len(recorded) == ended.n_bars == 19
    assert recorded.column("position").tolist()[2:5] == [1, 1, 1]
    assert [line["target"] for line in read_lines(tmp_path, "s", "decisions")] == [1, 0]
    assert [fill["side"] for fill in read_lines(tmp_path, "s", "fills")] == [1, -1]
    shown = read_snapshot(tmp_path, "s")
    assert shown.n_fills == 2
    assert shown.equity_usdt == pytest.approx(worker.hand.books.quote)


def test_nothing_is_held_before_the_mind_is_warm(tmp_path):
    """The first bars only observe; bars of the past count."""
    worker = paper(tmp_path, [1], warm_bars=6, past=[(k, np.zeros(len(BAR_INPUTS))) for k in range(4)])
    asyncio.run(worker.run())
    targets = read(worker.publisher.folder).column("target")
    assert targets[:2].tolist() == [0, 0]
    assert targets[2:-1].all()


def test_the_kill_switch_leaves_the_market_and_halts(tmp_path):
    """Pulled while something is held: flat and confirmed within a second, halted on disk, and it does not start again."""
    worker, venue = live(tmp_path, [1])

    async def drill():
        running = asyncio.create_task(worker.run())
        while not venue.trades:
            await asyncio.sleep(0.005)
        kill.pull(tmp_path, who="test", why="drill")
        return await running

    ended = asyncio.run(drill())
    assert ended.state == "halted"
    assert ended.flat.is_flat
    assert ended.stop_s < 1.0
    assert venue.money.base < SPOT.lot
    again, _ = live(tmp_path, [1])
    with pytest.raises(RiskHalt, match="pulled by test"):
        asyncio.run(again.run())
    kill.release(tmp_path)
    again, _ = live(tmp_path, [1])
    with pytest.raises(RiskHalt, match="halted before"):
        asyncio.run(again.run())


def test_a_silent_feed_is_left(tmp_path):
    """No quote for longer than the bound: out of the market, whatever the mind wants."""
    worker, venue = live(tmp_path, [1], n=60, limits=Limits(stale_s=0.3, daily_loss_usdt=18.0), quiet_s=1.5)
    ended = asyncio.run(worker.run())
    assert ended.flat.is_flat
    states = [event["state"] for event in read_lines(tmp_path, "s", "events")]
    assert "flat" in states
    assert venue.money.base < SPOT.lot
    assert len(venue.orders) >= 2


def test_a_trade_by_hand_ends_the_session(tmp_path):
    """Found by the timer: halted, and out by the venue's own figures."""
    worker, venue = live(tmp_path, [0], reconcile_s=0.05)

    async def drill():
        running = asyncio.create_task(worker.run())
        while worker.n_bars < 3:
            await asyncio.sleep(0.005)
        venue.foreign_trade(1, 0.0001)
        return await running

    ended = asyncio.run(drill())
    assert ended.state == "halted"
    assert "not in the journal" in ended.why
    assert venue.money.base < SPOT.lot


def test_a_paper_account_survives_a_restart(tmp_path):
    """Cash and holding are taken up where the journal ends; the record goes on behind the first life."""
    first = paper(tmp_path, [1], max_bars=5)
    asyncio.run(first.run())
    left = first.hand.desk.equity_usdt
    first.hand.journal.close()
    second = paper(tmp_path, [0])
    asyncio.run(second.run())
    assert second.hand.desk.equity_usdt == pytest.approx(left)
    assert set(read(second.publisher.folder).column("life")) == {0.0, 1.0}


def test_an_account_above_the_cap_is_not_traded(tmp_path):
    """20 dollars or more: halted before the first order."""
    worker = paper(tmp_path, [1], limits=Limits(capital_cap_usdt=18.0))
    ended = asyncio.run(worker.run())
    assert ended.state == "halted"
    assert "cap" in ended.why
    assert read_lines(tmp_path, "s", "fills") == []


@pytest.mark.parametrize(
    ("wanted", "held", "state", "target"),
    [
        (1, 0, "running", 1),
        (1, 1, "reduced", 1),
        (1, 0, "reduced", 0),
        (-1, 1, "reduced", 0),
        (1, 1, "flat", 0),
    ],
)
def test_what_the_limits_let_through(wanted, held, state, target):
    """Reduced keeps and leaves, and enters nothing."""
    assert allowed(wanted, held, state) == target


def test_words_from_outside_reach_the_chain(tmp_path):
    """A line of inject.jsonl is said once, and the event is kept for the replay."""
    worker = paper(tmp_path, [0], n=400, then_silent=True, quiet_s=0.2)
    heard = []
    worker.mind.agent = SimpleNamespace(hear=lambda *said: heard.append(said))
    (worker.publisher.folder / "inject.jsonl").write_text(
        '{"question": "news", "answer": "bad news", "ticks": 3, "who": "anna"}\nnonsense\n'
    )
    asyncio.run(worker.run())
    assert heard == [("news", "bad news", 3)]
    told = [event["told"] for event in read_lines(tmp_path, "s", "events") if "told" in event]
    assert told[0]["who"] == "anna"


def test_what_can_no_longer_be_recorded_ends_the_session_flat(tmp_path):
    """A worker whose disk is full leaves the market and halts; a person must look."""
    worker = paper(tmp_path, [1], n=400, then_silent=True, watch_s=0.005)

    def break_it(done):
        if done == 8:
            worker.recorder.trouble = "bars can no longer be recorded: the disk is full"

    worker.on_bar = break_it
    ended = asyncio.run(worker.run())
    assert (ended.state, ended.flat.is_flat) == ("halted", True)
    assert "disk is full" in ended.why
    assert ended.n_bars < 100


def test_nobody_watching_is_seen_in_the_snapshot(tmp_path):
    """Without a baseline a limit does not hold; with a monitor its channels stand beside the limits."""
    worker = paper(tmp_path, [0])
    asyncio.run(worker.run())
    assert read_snapshot(tmp_path, "s").risk["reasoning: watched"] == (0.0, 1.0, False)

    def watch(columns, step, mid):
        return "running", ""

    watch.figures = {"chain": (0.5, 1.0, True)}
    worker = paper(tmp_path / "two", [0])
    worker.watch = watch
    asyncio.run(worker.run())
    risk = read_snapshot(tmp_path / "two", "s").risk
    assert risk["reasoning: chain"] == (0.5, 1.0, True)
    assert "reasoning: watched" not in risk


def test_a_session_that_was_asked_to_stop_leaves_the_market(tmp_path):
    """The wish in its folder is seen within moments; fulfilled, it is taken away."""
    worker, venue = live(tmp_path, [1])

    async def drill():
        running = asyncio.create_task(worker.run())
        while not venue.trades:
            await asyncio.sleep(0.005)
        wish.ask(tmp_path, "s", who="test", why="enough")
        return await running

    ended = asyncio.run(drill())
    assert (ended.state, ended.why) == ("flat", "asked to stop by test: enough")
    assert ended.flat.is_flat
    assert ended.stop_s < 1.0
    assert venue.money.base < SPOT.lot
    assert not wish.is_asked(tmp_path, "s")


def died_holding(tmp_path):
    """A first life that ends in the middle, with something held."""
    first = paper(tmp_path, [1])

    async def died():
        running = asyncio.create_task(first.run())
        while not first.hand.position:
            await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(died())
    first.hand.journal.close()
    wish.ask(tmp_path, "s", who="test", why="enough")
    return first.hand.desk.equity_usdt


def test_a_worker_begun_again_to_leave_sells_what_the_dead_one_held(tmp_path):
    """Asked while nobody was there: sold at the first quote that is heard, nothing is entered, no bar is needed."""
    before = died_holding(tmp_path)
    second = paper(tmp_path, [1])
    second.feed.price = 91_000.0
    second.hand.touch = lambda: (second.bid, second.ask)
    ended = asyncio.run(second.run())
    assert (ended.state, ended.flat.is_flat, second.hand.position) == ("flat", True, 0)
    fills = read_lines(tmp_path, "s", "fills")
    assert [fill["side"] for fill in fills] == [1, -1]
    assert fills[-1]["price"] == pytest.approx(91_000.0, abs=7)
    assert second.hand.books.quote == pytest.approx(before + 1_000 * fills[0]["qty"], abs=0.02)
    assert ended.n_bars == 0


def test_where_no_quote_comes_the_last_price_of_the_dead_one_counts(tmp_path, monkeypatch):
    """Never nothing: what is held is not given away at a price of zero."""
    monkeypatch.setattr(hand_paper, "PRICE_S", 0.1)
    died_holding(tmp_path)
    ended = asyncio.run((second := paper(tmp_path, [1], n=0, then_silent=True)).run())
    assert ended.flat.is_flat
    assert read_lines(tmp_path, "s", "fills")[-1]["price"] == pytest.approx(90_000.0, abs=7)
    assert second.hand.equity(90_000.0) == pytest.approx(19.0, abs=0.1)


def test_a_desk_without_any_price_gives_nothing_away():
    """An account taken over from a journal that kept no price: refused, not sold at zero."""
    rules = load_rules("demo", "BTC-USD")
    first = Desk(rules, Account())
    first.advance(1_000, 90_000.0, 90_001.0)
    first.decide(1, 1.0)
    first.advance(2_000, 90_000.0, 90_001.0)
    second = Desk(rules, Account())
    second.state[:] = first.state
    with pytest.raises(MarketFault, match="no price is known"):
        second.close()
    second.see(90_000.0, 90_001.0)
    assert [fill.price for fill in second.close()] == [90_000.0]


def test_a_clock_far_behind_the_session_is_refused(tmp_path):
    """Every bar would be one that is known already, and what is held would never be looked at again."""
    asyncio.run(paper(tmp_path, [0], n=10).run())
    again = paper(tmp_path, [1])
    again.recorder.before_ms = 10 * 3_600_000
    again.pace.runs_by_itself = True
    with pytest.raises(RiskHalt, match="clock is 10.0 h behind"):
        asyncio.run(again.run())
