"""The gate on trial: whole searches on markets with a known answer, through the very judge that promotes agents.

How often is luck promoted (per market, and over ten attempts), and how small an edge is still found? Heads,
words, drills and
artefact are given as sound here: it is the statistics that are tried, at their hardest, on venues without fees.
Run `python -m decot.gate.calibrate`; the result is stored beside this file and printed on every card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from decot.gate.calibration import STORE, bounds_digest, clopper_pearson, stored, told
from decot.gate.config import GateConfig
from decot.gate.evidence import Ledgered, Scene, gather
from decot.gate.figures import Drill, HeadFigure, WordFigures
from decot.gate.nulls import KINDS, Base, Market, edge_per_beta, make_market
from decot.gate.rules import judge
from decot.gate.search import search
from decot.gate.verdict import Verdict
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig:
    """How much is tried."""

    markets_per_kind: int = 40
    """edge-free markets of each of the six kinds"""
    families: int = 60
    """edge-free markets on which ten searches in a row knock at the gate"""
    attempts: int = 10
    planted_markets: int = 50
    """markets per planted edge"""
    edges_bps: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
    """gross per trade of the ideal rule"""
    declared_edge_bps: float = 2.0
    """the edge for which a power of at least 80 % is promised"""
    planted_fee_bps: float = 0.25
    """taker fee a side on the planted markets; the edge-free ones have none"""
    trials: int = 48
    random_draws: int = 40
    """random agents of the same turnover that each finalist must beat"""
    bars: int = 14_400
    """per stretch, 1 s each: four hours"""
    period_bars: int = 240
    seed: int = 7


def knock(
    market: Market,
    *,
    cfg: CalibrationConfig,
    rules: VenueRules,
    attempt: int,
    earlier: Sequence[np.ndarray],
    seed: int,
    gate: GateConfig,
) -> tuple[Verdict, np.ndarray]:
    """One search and its verdict; the ledger holds the trials of the earlier attempts too."""
    account = Account()
    found = search(
        market, n_trials=cfg.trials, rules=rules, account=account, period_bars=cfg.period_bars, seed=seed
    )
    ledger = np.column_stack([*earlier, found.trials])
    evidence = gather(
        validation=Scene(market.validation.tape, found.best.targets(market.validation)),
        other_day=Scene(market.other_day.tape, found.best.targets(market.other_day)),
        rules=rules,
        account=account,
        ledger=Ledgered(trials=ledger, n_trials=ledger.shape[1], attempt=attempt),
        period_bars=cfg.period_bars,
        clock_ms=1_000,
        heads=_SOUND_HEADS,
        words=_SOUND_WORDS,
        drills={},
        decision_p99_us=100.0,
        reproduced=True,
        feature_leaks=(),
        cfg=gate,
        random_draws=cfg.random_draws,
    )
    sound = replace(evidence, drills=_SOUND_DRILLS, seed_bps=_SOUND_SEEDS)
    return judge(sound, gate), found.trials


_SOUND_HEADS = (
    HeadFigure(name="stand-in", statistic=1.0, p_value=0.001, alive=True, entropy=1.0, ablation_change=1.0),
)
_SOUND_WORDS = WordFigures(accuracy=1.0, intervention=1.0, stability=1.0, shuffled=0.2, reparse=1.0)
_SOUND_SEEDS = (1.0, 1.1, 0.9, 1.0, 1.0)
_SOUND_DRILLS = (Drill(name="stand-in", loss=0.0),)


def free_rules() -> VenueRules:
    """The venue on which luck costs nothing: no fees, smallest lots."""
    return replace(load_rules("zero-fee", "BTC-USD"), maker_bps=0.0, taker_bps=0.0)


def false_promotions(
    cfg: CalibrationConfig, gate: GateConfig, base: Base | None = None, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """One search per edge-free market: how many are promoted, and what stopped the others."""
    rules = free_rules()
    verdicts: Counter[str] = Counter()
    by_kind: dict[str, int] = {}
    stopped: Counter[str] = Counter()
    for kind in KINDS:
        promoted = 0
        for i in range(cfg.markets_per_kind):
            seed = cfg.seed * 1_000_003 + i
            market = make_market(kind, seed=seed, bars=cfg.bars, base=base)
            verdict, _ = knock(market, cfg=cfg, rules=rules, attempt=1, earlier=(), seed=seed, gate=gate)
            verdicts[verdict.verdict] += 1
            promoted += verdict.verdict == "promoted"
            stopped.update(rule.name for rule in verdict.rules if not rule.passed)
        by_kind[kind] = promoted
        progress(f"edge-free, {kind}: {promoted} of {cfg.markets_per_kind} promoted")
    markets, hits = cfg.markets_per_kind * len(KINDS), sum(by_kind.values())
    return {
        "markets": markets,
        "promoted": hits,
        "rate": hits / max(markets, 1),
        "upper95": clopper_pearson(hits, markets)[1],
        "by_kind": by_kind,
        "verdicts": dict(verdicts),
        "stopped_by": dict(stopped.most_common()),
    }


def families(
    cfg: CalibrationConfig, gate: GateConfig, base: Base | None = None, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Ten searches in a row on one edge-free market, the other day always the same: is any of them promoted?"""
    rules, kinds = free_rules(), list(KINDS)
    fell = 0
    for i in range(cfg.families):
        seed = cfg.seed * 2_000_003 + i
        market = make_market(kinds[i % len(kinds)], seed=seed, bars=cfg.bars, base=base)
        earlier: list[np.ndarray] = []
        for attempt in range(1, cfg.attempts + 1):
            verdict, trials = knock(
                market,
                cfg=cfg,
                rules=rules,
                attempt=attempt,
                earlier=earlier,
                seed=seed + 7_919 * attempt,
                gate=gate,
            )
            earlier.append(trials)
            if verdict.verdict == "promoted":
                fell += 1
                break
        if (i + 1) % 10 == 0:
            progress(f"{i + 1} families of {cfg.attempts} attempts: {fell} with a false promotion")
    upper = clopper_pearson(fell, cfg.families)[1]
    rate = fell / max(cfg.families, 1)
    return {
        "markets": cfg.families,
        "attempts": cfg.attempts,
        "promoted": fell,
        "rate": rate,
        "upper95": upper,
    }


def power_curve(
    cfg: CalibrationConfig, gate: GateConfig, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Share of planted markets whose search is promoted, by the size of the edge, and what stopped the others."""
    rules = replace(free_rules(), taker_bps=cfg.planted_fee_bps)
    per_beta = edge_per_beta(np.random.default_rng(3))
    curve = []
    for edge in cfg.edges_bps:
        words: Counter[str] = Counter()
        stopped: Counter[str] = Counter()
        for i in range(cfg.planted_markets):
            seed = cfg.seed * 3_000_017 + i
            market = make_market("planted", seed=seed, bars=cfg.bars, edge_bps=edge, per_beta=per_beta)
            verdict, _ = knock(market, cfg=cfg, rules=rules, attempt=1, earlier=(), seed=seed, gate=gate)
            words[verdict.verdict] += 1
            stopped.update(rule.name for rule in verdict.rules if not rule.passed)
        low, high = clopper_pearson(words["promoted"], cfg.planted_markets)
        power = words["promoted"] / cfg.planted_markets
        point = {
            "edge_bps": edge,
            "power": power,
            "low95": low,
            "high95": high,
            "verdicts": dict(words),
            "stopped_by": dict(stopped.most_common(6)),
        }
        curve.append(point)
        progress(f"planted {edge:g} bps a trade: {100 * power:.0f} % promoted; {point['stopped_by']}")
    at = next((p["power"] for p in curve if p["edge_bps"] == cfg.declared_edge_bps), None)
    return {"declared_edge_bps": cfg.declared_edge_bps, "at_declared_edge": at, "curve": curve}


def calibrate(
    cfg: CalibrationConfig | None = None,
    gate: GateConfig | None = None,
    *,
    base: Base | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The whole trial. Same configuration, same figures."""
    cfg, gate = cfg or CalibrationConfig(), gate or GateConfig()
    return {
        "false_promotion": false_promotions(cfg, gate, base, progress),
        "family": families(cfg, gate, base, progress),
        "power": power_curve(cfg, gate, progress),
        "config": json.loads(json.dumps(asdict(cfg))),
        "bounds": bounds_digest(gate),
        "command": "python -m decot.gate.calibrate",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or show the calibration; 0 if both promises are kept, 1 if not."""
    parser = argparse.ArgumentParser(description="Try the gate on markets with a known answer.")
    parser.add_argument("--show", action="store_true", help="print the stored result instead of running")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, default=STORE, help="where the result is stored")
    parser.add_argument("--tape", type=Path, help="resample this recorded tape instead of a made-up stretch")
    parser.add_argument("--markets", type=int, default=CalibrationConfig().markets_per_kind, help="per kind")
    chosen = parser.parse_args(arguments)
    if chosen.show:
        found = stored(path=chosen.out)
        if found is None:
            sys.stderr.write("no calibration is stored for these bounds; run without --show\n")
            return 1
    else:
        cfg = CalibrationConfig(markets_per_kind=chosen.markets)
        base = None
        if chosen.tape is not None:
            from decot.gate.recorded import open_base  # reads every layout, so it is heavy

            base = open_base(chosen.tape)
        found = calibrate(cfg, base=base, progress=print_progress)
        found["base"] = "made-up" if chosen.tape is None else chosen.tape.name
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write((json.dumps(found) if chosen.json else told(found)) + "\n")
    kept = found["false_promotion"]["upper95"] <= 0.05 and (found["power"]["at_declared_edge"] or 0) >= 0.8
    return 0 if kept else 1


def print_progress(line: str) -> None:
    """Progress goes to stderr, so that stdout stays the result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
