"""A home with one agent that trades on a recorded market: untrained, loud, worth nothing, but signed and watched.

For drills of the live worker: what it decides is nonsense, but it decides often, through the very code a certified agent
runs in. `python -m benchmarks.live_home` reads one order as JSON from stdin, holds that session on the loopback venue of
`port`, and prints what `decot trade --json` would.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import polars as pl
import torch

from decot import clock
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.tape import RawTape
from decot.experiment.baseline import baseline_file
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import open_context
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import columns_of, schema_hash
from decot.features.batch import compute
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.gate.approval import sign_approval, sign_session
from decot.gate.certificate import issue
from decot.gate.keys import key_path, signing_key
from decot.gate.registry import Registry
from decot.live.habits import MonitorConfig
from decot.live.monitor_fit import Clean, fit_baseline
from decot.market.rules import VenueRules, load_rules
from decot.model.agent import Agent
from decot.model.checkpoint import save
from decot.model.config import ModelConfig
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding

MINUTE_US = 60_000_000
FREE = replace(load_rules("binance-spot", "BTC-USDT"), maker_bps=0.0, taker_bps=0.0)
WILD = {
    "daily_loss_usdt": 18.0,
    "drawdown_bps": 9_900.0,
    "orders_per_minute": 1e6,
    "spread_bps": 500.0,
    "skew_ms": 1e9,
}
"""limits that leave the account alone for as long as it has anything; a replay's clock need not be ours"""
_VERDICT = {
    "verdict": "promoted",
    "reasons": ["made for a drill"],
    "trades_needed": 0,
    "rules": [{"name": "made", "figure": 1.0, "bound": 0.0, "passed": True, "why": "for a drill"}],
}


@dataclass(frozen=True)
class Stretch:
    """A piece of a recorded market, and everything before it."""

    before: RawTape
    now: RawTape

    @staticmethod
    def of(tape: RawTape, after_minutes: float, minutes: float) -> Stretch:
        begin = int(tape.book["recv_us"][0])
        start = begin + round(after_minutes * MINUTE_US)
        return Stretch(cut(tape, begin, start), cut(tape, start, start + round(minutes * MINUTE_US)))


def cut(tape: RawTape, since_us: int, until_us: int) -> RawTape:
    keep = (pl.col("recv_us") >= since_us) & (pl.col("recv_us") < until_us)
    return replace(tape, book=tape.book.filter(keep), trades=tape.trades.filter(keep))


def make(
    home: Path, before: RawTape, *, is_watched: bool = True, profile: str = "demo", context: str = ""
) -> str:
    """Put such an agent into a home, certified for live; its digest. Without a context one that reads no news is made."""
    torch.set_num_threads(1)
    experiment, place = Experiment.of(Order(profile=profile, home=str(home))), Place(home)
    bars = build_bars(before, experiment.clock_ms)
    ref = place.put("bars", bars, symbol=before.symbol)
    context = context or _context(place, bars)
    model = open_context(place, context).regimes
    inputs = regime_inputs(bars["close"].to_numpy(), timestamp_ms=bars["timestamp"].to_numpy())
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    matrix, seen = compute(bars, cfg), posteriors(model, inputs)
    around = {f"regime_{k}": seen[:, k] for k in range(6)}
    wide = features_table(base_table(bars, cfg, matrix=matrix), matrix, around)[min(400, bars.height // 4) :]
    scaler, grounding = Scaler.fit(observe(wide)), Grounding.fit(columns_of(wide))
    agent = loud()
    manifest = {
        "schema": schema_hash(),
        "clock_ms": experiment.clock_ms,
        "scaler": json.loads(scaler.to_json()),
        "grounding": grounding.to_json(),
        "context": context,
        "market": {"venue": "demo", "symbol": "BTC-USD", "capital_usdt": 19.0, "latency_ms": 300.0},
        "data": [ref.to_dict() | {"symbol": before.symbol}],
    }
    folder = place.folder("made")
    save(folder, agent, manifest)
    digest = certify(place, folder)
    if is_watched:
        _watch(home, digest, agent, scaler, grounding, wide, experiment.clock_ms)
    return digest


def _context(place: Place, bars: pl.DataFrame) -> str:
    """Regimes of these bars, and nobody who reads."""
    inputs = regime_inputs(bars["close"].to_numpy(), timestamp_ms=bars["timestamp"].to_numpy())
    model = fit(inputs, RegimeConfig())
    body = {"regimes": json.loads(model.to_json()), "projector": None, "text_model": "", "is_stand_in": False,
            "encoder_identity": ""}  # fmt: skip
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    (place.folder("contexts", name) / "context.json").write_text(text)
    return name


def loud() -> Agent:
    """An untrained agent whose heads shout."""
    agent = Agent(ModelConfig(n_features=len(OBSERVATION), conv_filters=8, lstm_units=12), 3)
    with torch.no_grad():
        for name, weight in agent.named_parameters():
            if name.startswith(("read", "foresee", "expect", "answer", "policy", "exit", "value", "judge")):
                weight.mul_(4.0)
        agent.exit.bias.zero_()
    return agent.eval()


def _watch(
    home: Path,
    digest: str,
    agent: Agent,
    scaler: Scaler,
    grounding: Grounding,
    wide: pl.DataFrame,
    clock_ms: int,
) -> None:
    """A baseline from the rows before; its margin is wide, for the drill is about the process, not the verdict."""
    parts, half = [], wide.height // 2
    for rows in (wide[:half], wide[half:]):
        obs = scaler.apply(observe(rows))
        decisions = decide(agent, obs)
        mid = ((rows["bid_price"] + rows["ask_price"]) / 2).to_numpy()
        parts.append(
            Clean(obs, grounding.label(columns_of(rows)), decisions, walk(decisions.actions_if), mid)
        )
    cfg = MonitorConfig(is_latched=False, margin=4.0)
    file = baseline_file(home, digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    fit_baseline(*parts, grounding, clock_ms=clock_ms, cfg=cfg, days=4).save(file)


def certify(place: Place, folder: Path) -> str:
    """Every note that live needs, signed with the home's own key."""
    now = clock.now()
    key, expires = signing_key(key_path(place.home), now)
    registry, trusted = Registry(place.folder("registry")), [key.public_key()]
    digest = registry.add(folder, now=now).digest
    signed: dict[str, Any] = {
        "artefact": registry.get(digest).folder, "verdict": _VERDICT, "data": [], "code": code_version(), "config": {},
        "ledger_head": "", "key": key, "now": now, "key_expires": expires,
    }  # fmt: skip
    paper = issue(registry.certificate_of(digest), **signed)
    for stage in ("certified", "paper"):
        registry.promote(digest, stage, now=now, why="for a drill", trusted=trusted)
    notes: dict[str, Any] = {"digest": digest, "key": key, "now": now, "key_expires": expires}
    session = sign_session(registry.session_of(digest), certificate=paper.serial, figures={}, **notes)
    who = {"approved_by": "a drill", "reason": "to see it trade on loopback"}
    sign_approval(registry.approval_of(digest), session=session.serial, card="card", **who, **notes)
    live = registry.certificate_of(digest, "live")
    issue(live, stage="live", paper={"certificate": session.serial}, approved_by="a drill", **signed)
    registry.promote(digest, "live", now=now, why="for a drill", trusted=trusted)
    return digest


async def start(order: dict[str, Any], log: Path) -> asyncio.subprocess.Process:
    """A session as a process of its own; stdout is its report, stderr goes to `log`."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.live_home",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=file,
        )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode())
    process.stdin.close()
    return process


def main() -> None:
    """One session, from the order on stdin to the report on stdout."""
    from decot.data.exchange.venue import point
    from decot.experiment.live import LiveOrder, run
    from decot.live.risk import Limits

    asked = json.loads(sys.stdin.read())
    port, limits = asked.pop("port"), Limits(**asked.pop("limits", {}))
    torch.set_num_threads(1)
    said = run(
        LiveOrder(**asked, limits=limits),
        prepare=lambda client: point(client, port),
        key="loopback",
        secret="loopback",
    )
    sys.stdout.write(json.dumps(said) + "\n")


def rules_for(mode: str) -> VenueRules:
    """The venue's: no fees, so that an account lives through thousands of orders."""
    return FREE if mode == "live" else load_rules("demo", "BTC-USD")


if __name__ == "__main__":
    main()
