"""Module 4, live, as a person types it: a certified agent on a venue's feed, stopped, killed, refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decot import clock
from decot.context.regimes import fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.exchange.venue import serve
from decot.data.worlds import WorldConfig, make_world
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.live_report import lives_of
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import schema_hash
from decot.features.batch import compute
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.gate.approval import sign_approval, sign_session
from decot.gate.certificate import issue
from decot.gate.keys import key_path, signing_key
from decot.gate.registry import Registry
from decot.live.journal import verify
from decot.live.record import read
from decot.live.snapshot import read_lines
from decot.market.rules import load_rules
from decot.model.agent import Agent
from decot.model.checkpoint import save
from decot.model.config import ModelConfig

FREE = replace(load_rules("binance-spot", "BTC-USDT"), maker_bps=0.0, taker_bps=0.0)
PROMOTED = {
    "verdict": "promoted",
    "reasons": ["made by a test"],
    "trades_needed": 0,
    "rules": [{"name": "made", "figure": 1.0, "bound": 0.0, "passed": True, "why": "by a test"}],
}


@pytest.fixture(scope="module")
def market():
    return make_world(WorldConfig(days=1, seconds_per_day=2_400, seed=5))


@pytest.fixture(scope="module")
def home(tmp_path_factory, market):
    """A home with one agent that a test certified for live: untrained, loud, worth nothing, but signed."""
    home = tmp_path_factory.mktemp("home")
    experiment, place = Experiment.of(Order(profile="demo", home=str(home))), Place(home)
    bars = build_bars(market, experiment.clock_ms)
    inputs = regime_inputs(bars["close"].to_numpy(), timestamp_ms=bars["timestamp"].to_numpy())
    model = fit(inputs, experiment.regimes)
    text = json.dumps(
        {
            "regimes": json.loads(model.to_json()),
            "projector": None,
            "text_model": "",
            "is_stand_in": False,
            "encoder_identity": "",
        },
        sort_keys=True,
        ensure_ascii=False,
    )
    context = hashlib.sha256(text.encode()).hexdigest()[:16]
    (place.folder("contexts", context) / "context.json").write_text(text)
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    matrix, seen = compute(bars, cfg), posteriors(model, inputs)
    wide = features_table(
        base_table(bars, cfg, matrix=matrix), matrix, {f"regime_{k}": seen[:, k] for k in range(6)}
    )
    agent = Agent(ModelConfig(n_features=len(OBSERVATION), conv_filters=8, lstm_units=12), 3)
    with torch.no_grad():
        for name, weight in agent.named_parameters():
            if name.startswith(("read", "foresee", "expect", "answer", "policy", "exit", "value", "judge")):
                weight.mul_(4.0)
        agent.exit.bias.zero_()
    manifest = {
        "schema": schema_hash(),
        "clock_ms": experiment.clock_ms,
        "scaler": json.loads(Scaler.fit(observe(wide)).to_json()),
        "context": context,
        "market": {"venue": "demo", "symbol": "BTC-USD", "capital_usdt": 19.0, "latency_ms": 300.0},
        "data": [{"symbol": market.symbol}],
    }
    folder = place.folder("made")
    save(folder, agent.eval(), manifest)
    _certify(place, folder)
    return home


def _certify(place: Place, folder: Path) -> None:
    now = clock.now()
    key, expires = signing_key(key_path(place.home), now)
    registry, trusted = Registry(place.folder("registry")), [key.public_key()]
    digest = registry.add(folder, now=now).digest
    signed = {
        "artefact": registry.get(digest).folder,
        "verdict": PROMOTED,
        "data": [],
        "code": code_version(),
        "config": {},
        "ledger_head": "",
        "key": key,
        "now": now,
        "key_expires": expires,
    }
    paper = issue(registry.certificate_of(digest), **signed)
    for stage in ("certified", "paper"):
        registry.promote(digest, stage, now=now, why="test", trusted=trusted)
    notes = {"digest": digest, "key": key, "now": now, "key_expires": expires}
    session = sign_session(registry.session_of(digest), certificate=paper.serial, figures={}, **notes)
    who = {"approved_by": "a test", "reason": "to see it trade on loopback"}
    sign_approval(registry.approval_of(digest), session=session.serial, card="card", **who, **notes)
    issue(
        registry.certificate_of(digest, "live"),
        stage="live",
        paper={"certificate": session.serial},
        approved_by="a test",
        **signed,
    )
    registry.promote(digest, "live", now=now, why="test", trusted=trusted)


def digest_of(home: Path) -> str:
    return Registry(home / "registry").entries()[0].digest


async def trade(home: Path, venue, *words: str, meanwhile=None, env=None):
    """`decot trade …` as a process beside the venue: exit code, last line as JSON, everything it said."""
    argv = [sys.executable, "-m", "decot", "trade", digest_of(home)[:12], "--home", str(home)]
    argv += ["--venue-port", str(venue.port), "--json", "--quiet", "--warm-bars", "5", *words]
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", **(env or {})},
    )
    if meanwhile is not None:
        await meanwhile(process)
    out, err = await asyncio.wait_for(process.communicate(), 300)
    text = out.decode() + err.decode()
    last = out.decode().strip().splitlines()[-1:] or ["{}"]
    return process.returncode, json.loads(last[0]) if last[0].startswith("{") else {}, text


def test_a_paper_session_on_the_venues_feed_replays_to_the_bit(home, market):
    """Certificate, feed, desk, table in the lake, replay: all decisions the same, all fills the simulator's."""

    async def drill():
        async with serve(market, speed=0, wait_streams=3) as venue:
            return await trade(
                home, venue, "--feed", "--speed", "0", "--session", "p1", "--minutes", "15", "--quiet-s", "5"
            )

    code, said, text = asyncio.run(drill())
    assert code == 0, text[-2_000:]
    replay = said["replay"]
    assert said["bars"] == replay["n_decisions"] == replay["n_same"] > 600
    assert replay["n_fills"] == replay["n_matched"] == replay["n_simulated"] > 0
    assert said["table"]["columns"] == 41
    assert said["is_flat"]


@pytest.mark.slow
def test_a_paper_session_of_three_lives_replays_whole(home):
    """Killed once and stopped once: each life is run again from what it took over, every decision and fill the same."""
    folder = home / "live" / "p3"
    longer = make_world(WorldConfig(days=1, seconds_per_day=16_000, seed=5))

    async def drill():
        async with serve(longer, speed=20, wait_streams=3) as venue:
            words = ("--feed", "--speed", "20", "--session", "p3")

            async def kill(process):
                await _until(lambda: len(read(folder)) > 150 and _holds(folder), process)
                process.kill()

            origin = ("--origin-ms", str(venue.replay.now_us // 1_000))
            first = await trade(home, venue, *words, *origin, meanwhile=kill)
            origin = ("--origin-ms", str(venue.replay.now_us // 1_000))
            second = await trade(home, venue, *words, *origin, "--minutes", "4")
            origin = ("--origin-ms", str(venue.replay.now_us // 1_000))
            return first, second, await trade(home, venue, *words, *origin, "--minutes", "3")

    (code, _, _), second, (last_code, said, text) = asyncio.run(drill())
    assert code == -signal.SIGKILL
    assert second[0] == last_code == 0, text[-2_000:]
    replay = said["replay"]
    assert [life["life"] for life in replay["lives"]] == [0, 1, 2]
    assert replay["covers_all"], replay
    assert replay["n_same"] == replay["n_decisions"] == said["bars"] > 150 + 240 + 180 - 10
    assert replay["n_matched"] == replay["n_fills"] == replay["n_simulated"] > 3, replay
    assert all(life["n_fills"] for life in replay["lives"])
    assert "covers 3 of 3 lives" in said["card"]
    (folder / "warm-1.f64").unlink()
    held = read(folder)
    lives = lives_of(folder, "paper", held, read_lines(home, "p3", "events", 10**6))
    assert [life.warm is None for life in lives] == [False, True, False]
    assert [life.has_ended for life in lives] == [False, True, True]


async def _until(is_so, process, patience_s=60.0):
    for _ in range(round(patience_s / 0.02)):
        if process.returncode is not None or is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to that")


def _holds(folder: Path) -> bool:
    return bool(read(folder).column("position")[-1])


def test_a_live_session_ends_flat_on_sigterm(home, market):
    """Signed orders to the venue; SIGTERM leaves the market; the journal is whole; no secret is left anywhere."""
    key, secret = "KEYthatnobodyhas6152", "SECRETthatnobodyhas9938"

    async def drill():
        async with serve(market, FREE, speed=20, wait_streams=3, keys={key: secret}) as venue:

            async def stop(process):
                for _ in range(3_000):
                    if len(venue.desk.fills) >= 3 or process.returncode is not None:
                        break
                    await asyncio.sleep(0.02)
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)

            words = ("--live", "--rules", "binance-spot/BTC-USDT", "--speed", "20", "--session", "l1")
            env = {"DECOT_API_KEY": key, "DECOT_API_SECRET": secret}
            done = await trade(home, venue, *words, meanwhile=stop, env=env)
            held = float(venue.desk.free["BTC"] + venue.desk.locked.get("BTC", 0))
            return *done, held, len(venue.desk.fills)

    code, said, text, held, n_fills = asyncio.run(drill())
    assert code == 0, text[-2_000:]
    assert n_fills >= 3
    assert said["is_flat"]
    assert "SIGTERM" in said["why"]
    assert held < 0.00001
    assert said["fills"] == n_fills
    assert said["replay"]["n_same"] == said["bars"]
    assert verify(home / "live" / "l1" / "journal.sqlite") > 10
    for path in (home / "live").rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert key.encode() not in found, path
            assert secret.encode() not in found, path
    assert key not in text
    assert secret not in text


def test_the_switch_at_the_command_line_halts_a_session(home, market):
    """`decot kill`: exit code 3, flat within a second, and no start until it is released by a person."""

    async def drill():
        async with serve(market, FREE, speed=20, wait_streams=3) as venue:

            async def pull(process):
                for _ in range(3_000):
                    if venue.desk.fills or process.returncode is not None:
                        break
                    await asyncio.sleep(0.02)
                from decot.live import kill

                kill.pull(home, who="a test", why="drill")

            words = ("--live", "--rules", "binance-spot/BTC-USDT", "--speed", "20", "--session", "k1")
            first = await trade(home, venue, *words, meanwhile=pull)
            second = await trade(home, venue, *words)
            from decot.live import kill

            kill.release(home)
            third = await trade(home, venue, *words)
            return first, second, third

    (code, said, text), second, third = asyncio.run(drill())
    assert code == 3, text[-2_000:]
    assert said["state"] == "halted"
    assert said["is_flat"]
    assert said["stop_s"] < 1.0
    assert second[0] == 1
    assert "kill switch was pulled by a test" in second[2]
    assert third[0] == 1
    assert "halted before" in third[2]
    assert read_lines(home, "k1", "events")[-1]["state"] == "halted"


def test_what_may_not_trade_live_is_refused(home, market):
    """A key that may withdraw, other rules than the venue's, an agent that is not live: each is named, nothing is sent."""

    async def drill(**settings):
        async with serve(market, FREE, speed=20, wait_streams=3, **settings) as venue:
            words = ("--live", "--rules", "binance-spot/ETH-USDT", "--speed", "20", "--session", "r1")
            done = await trade(home, venue, *words)
            return *done, len(venue.desk.orders)

    code, _, text, orders = asyncio.run(drill(withdrawals=True))
    assert (code, orders) == (1, 0)
    assert "enableWithdrawals" in text
    assert "lot: the venue says" in text
