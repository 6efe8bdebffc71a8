"""Module 4, live: a worker on real ccxt.pro against the loopback venue; its account, its journal and its table agree."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from decot import clock
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.exchange.venue import point, serve
from decot.data.tapes import open_tape
from decot.experiment.again import replayed
from decot.experiment.config import Experiment
from decot.experiment.live_report import rows_of, session_table
from decot.experiment.order import Order
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.live.broker import Broker
from decot.live.context_buffer import ContextBuffer, ListeningMind, add, event_of
from decot.live.feed import CcxtFeed, EventPace, WallPace
from decot.live.hand_live import LiveHand
from decot.live.hand_paper import PaperHand
from decot.live.journal import Journal, verify
from decot.live.mind import Mind
from decot.live.record import read
from decot.live.risk import Guard, Limits
from decot.live.snapshot import live_folder, read_lines, read_snapshot
from decot.live.venue_ccxt import CcxtVenue
from decot.live.worker import Worker
from decot.live.worker_parts import WorkerConfig
from decot.market.account import Account
from decot.market.rules import load_rules
from decot.model.agent import Agent
from decot.model.config import ModelConfig
from schemas.columns import BASE_COLUMNS
from schemas.tables import BaseTable, faults

MINUTE_US = 60_000_000
WILD = Limits(daily_loss_usdt=18.0, drawdown_bps=9_900.0, orders_per_minute=10_000.0, spread_bps=500.0)
FREE = replace(load_rules("binance-spot", "BTC-USDT"), maker_bps=0.0, taker_bps=0.0)


@dataclass
class Hour:
    """A stretch of a recorded market, the bars before it, and a mind that acts on it."""

    tape: Any
    past: list
    make_mind: Any


def hour_of(path: Path, minutes: float, after_minutes: float, symbol: str | None = None) -> Hour:
    """A loud untrained agent over a recorded market: what it decides is nonsense, but it decides often."""
    tape = open_tape(path, symbol=symbol)
    begin = int(tape.book["recv_us"][0])
    start = begin + int(after_minutes * MINUTE_US)

    def cut(a: int, b: int) -> Any:
        keep = (pl.col("recv_us") >= a) & (pl.col("recv_us") < b)
        return replace(tape, book=tape.book.filter(keep), trades=tape.trades.filter(keep))

    before = build_bars(cut(begin, start), 1_000)
    cfg, regimes = (
        FeatureConfig(clock_ms=1_000),
        RegimeConfig(restarts=1) if _has("restarts") else RegimeConfig(),
    )
    inputs = regime_inputs(before["close"].to_numpy(), timestamp_ms=before["timestamp"].to_numpy())
    model = fit(inputs, regimes)
    matrix = compute(before, cfg)
    seen = posteriors(model, inputs)
    wide = features_table(
        base_table(before, cfg, matrix=matrix), matrix, {f"regime_{k}": seen[:, k] for k in range(6)}
    )
    scaler = Scaler.fit(observe(wide))
    torch.set_num_threads(1)
    agent = Agent(ModelConfig(n_features=len(OBSERVATION), conv_filters=8, lstm_units=12), 3)
    with torch.no_grad():
        for name, weight in agent.named_parameters():
            if name.startswith(("read", "foresee", "expect", "answer", "policy", "exit", "value", "judge")):
                weight.mul_(4.0)
        agent.exit.bias.zero_()
    agent.eval()

    def make() -> Mind:
        return Mind.of(agent, scaler, model, features=cfg, regimes=regimes)

    past = list(zip(before["timestamp"].to_list(), before.select(_inputs()).to_numpy()))
    return Hour(cut(start, start + int(minutes * MINUTE_US)), past, make)


def _inputs() -> tuple[str, ...]:
    from decot.features.kernel import BAR_INPUTS

    return BAR_INPUTS


def _has(name: str) -> bool:
    return name in RegimeConfig.__dataclass_fields__


async def paper(home: Path, hour: Hour, name: str) -> Any:
    """As fast as frames are read; only they move the clock."""
    pace = EventPace()
    journal = Journal.open(live_folder(home) / name / "journal.sqlite", "test", now_ms=0)
    hand = PaperHand(
        journal,
        load_rules("standx-like", "BTC-USD"),
        Account(),
        session=name,
        now_ms=lambda: pace.now_us() // 1_000,
    )
    delays = np.random.default_rng(7).choice([180.0, 384.0, 900.0, 2_500.0], 10_000)
    async with serve(hour.tape, speed=0, wait_streams=3) as venue:
        symbol = next(iter(venue.feeds.values())).name
        feed = CcxtFeed(symbol, pace, prepare=lambda client: point(client, venue.port))
        config = WorkerConfig(session=name, symbol=symbol, quiet_s=3.0, show_s=0.1)
        worker = Worker(
            config,
            home,
            hour.make_mind(),
            hand,
            feed,
            pace,
            Guard(WILD),
            past=hour.past,
            delay_ms=lambda row: float(delays[row]),
        )
        ended = await worker.run()
        await feed.close()
    journal.close()
    return worker, hand, ended


async def live(home: Path, hour: Hour, name: str, speed: float) -> Any:
    """Signed orders to the venue, beside a replay at `speed`."""
    async with serve(hour.tape, FREE, speed=speed, wait_streams=3) as venue:
        symbol = next(iter(venue.feeds.values())).name
        pace = WallPace(speed, origin_us=venue.replay.now_us)
        journal = Journal.open(live_folder(home) / name / "journal.sqlite", "test", now_ms=0)
        towards = lambda client: point(client, venue.port)  # noqa: E731
        door = CcxtVenue(symbol, key="loopback", secret="loopback", prepare=towards)
        await door.open()
        assert await door.check_key() == []
        assert door.unlike(FREE) == []

        async def sleep(ms: float) -> None:
            await asyncio.sleep(ms / 1_000)

        broker = Broker(
            door, journal, FREE, now_ms=lambda: clock.now_us() // 1_000, sleep=sleep, session=name
        )
        hand = LiveHand(broker, Account(), touch=lambda: (worker.bid, worker.ask))
        feed = CcxtFeed(symbol, pace, prepare=towards)
        config = WorkerConfig(session=name, symbol=symbol, mode="live", quiet_s=1.5, reconcile_s=2.0)
        worker = Worker(config, home, hour.make_mind(), hand, feed, pace, Guard(WILD), past=hour.past)
        ended = await worker.run()
        money = await door.balances()
        theirs = [dict(fill) for fill in venue.desk.fills]
        requests = dict(venue.door.requests)
        await feed.close()
        await door.close()
    return worker, hand, ended, money, theirs, requests


@pytest.fixture(scope="module")
def standx(tapes):
    return hour_of(tapes / "standx-btcusd", minutes=15, after_minutes=200)


@pytest.mark.tapes
def test_paper_fills_are_the_simulators_on_a_recorded_market(standx, tmp_path):
    """Price, time, quantity: every fill of a paper session over ccxt.pro is the simulator's, with the same delays."""
    worker, hand, ended = asyncio.run(paper(tmp_path, standx, "paper"))
    recorded = read(worker.publisher.folder)
    fills = read_lines(tmp_path, "paper", "fills", 1_000_000)
    again = replayed(standx.make_mind, standx.past, recorded, fills, hand.desk.rules, Account())
    assert ended.flat.is_flat
    assert len(fills) > 20
    assert again.n_same == again.n_decisions == len(recorded)
    assert again.n_matched == again.n_fills == again.n_simulated
    assert again.price_error_max_bps == 0.0
    assert abs(again.equity_error_usdt) < 1e-9
    assert hand.books.quote == pytest.approx(hand.desk.equity_usdt, abs=1e-9)
    assert verify(worker.publisher.folder / "journal.sqlite") > len(fills)


@pytest.mark.tapes
def test_a_live_session_leaves_venue_journal_and_table_saying_the_same(standx, tmp_path):
    """Orders signed, filled, journaled: balances, fills and equity agree in all three, and the table replays."""
    worker, hand, ended, money, theirs, requests = asyncio.run(live(tmp_path, standx, "live", 60.0))
    books, recorded = hand.broker.books, read(worker.publisher.folder)
    assert ended.flat.is_flat
    assert requests["POST order"] == len(books.orders) > 10
    assert {fill["id"] for fill in theirs} == {fill["trade_id"] for fill in books.fills}
    assert money.base == pytest.approx(books.base, abs=1e-9)
    assert money.quote == pytest.approx(books.quote, abs=1e-6)
    experiment = replace(Experiment.of(Order(profile="demo")), clock_ms=1_000)
    table = session_table(experiment, recorded, 19.0)
    assert tuple(table.columns) == BASE_COLUMNS
    assert faults(table, BaseTable) == []
    assert 19.0 + table["cumulative_pnl"][-1] == pytest.approx(
        money.quote + money.base * float(recorded.column("close")[-1]), abs=1e-6
    )
    again = replayed(
        standx.make_mind, standx.past, recorded, read_lines(tmp_path, "live", "fills", 10**6), FREE, Account()
    )
    assert again.n_same == again.n_decisions == len(recorded)
    print(again)
    shown = read_snapshot(tmp_path, "live")
    assert shown.state == "flat"
    assert shown.n_fills == len(books.fills)


@pytest.mark.tapes
def test_a_binance_capture_on_paper(tapes, tmp_path):
    """Sub-millisecond flow, its own depth: the same equality."""
    hour = hour_of(tapes / "binance-ws", minutes=4, after_minutes=5, symbol="spot_btcusdt_20240808-09")
    worker, hand, ended = asyncio.run(paper(tmp_path, hour, "binance"))
    recorded = read(worker.publisher.folder)
    fills = read_lines(tmp_path, "binance", "fills", 10**6)
    again = replayed(hour.make_mind, hour.past, recorded, fills, hand.desk.rules, Account())
    assert ended.flat.is_flat
    assert again.n_same == again.n_decisions > 200
    assert again.n_matched == again.n_fills == again.n_simulated > 0


@pytest.mark.tapes
def test_what_was_recorded_is_what_a_restart_warms_up_on(standx, tmp_path):
    """The bars of the record, handed over as a feed would, are the bars that were seen."""
    worker, _, _ = asyncio.run(paper(tmp_path, standx, "again"))
    recorded = read(worker.publisher.folder)
    rows = rows_of(recorded)
    assert len(rows) == len(recorded)
    assert rows[-1][0] == int(recorded.column("timestamp")[-1])
    np.testing.assert_array_equal(rows[10][1], recorded.rows[10, 2 : 2 + len(rows[10][1])])


@pytest.mark.tapes
def test_a_session_that_was_told_something_says_so_and_replays(standx, tmp_path):
    """An event in the buffer is in the sentences and in the record; run again with it, every decision is the same."""
    add(tmp_path, event_of("heavy selling reported", for_s=3_000, now_us=clock.now_us(), who="desk"))
    hour = Hour(standx.tape, standx.past, lambda: ListeningMind(standx.make_mind(), ContextBuffer(tmp_path)))
    worker, hand, _ = asyncio.run(paper(tmp_path, hour, "told"))
    recorded = read(worker.publisher.folder)
    said = read_lines(tmp_path, "told", "decisions", 10**6)
    assert said
    assert all("heavy selling reported" in one["sentence_en"] for one in said)
    noted = [line["told"] for line in read_lines(tmp_path, "told", "events", 10**6) if "told" in line]
    assert len(noted) == len(recorded)
    assert {(one["question"], one["who"]) for one in noted} == {("news", "desk")}
    assert sum(read_snapshot(tmp_path, "told").attention.values()) == pytest.approx(1.0)
    fills = read_lines(tmp_path, "told", "fills", 10**6)
    again = replayed(standx.make_mind, standx.past, recorded, fills, hand.desk.rules, Account(), told=noted)
    assert again.n_same == again.n_decisions == len(recorded)
    deaf = replayed(standx.make_mind, standx.past, recorded, fills, hand.desk.rules, Account())
    assert deaf.n_same < deaf.n_decisions
