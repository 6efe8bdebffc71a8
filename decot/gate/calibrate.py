"""The gate on trial: whole searches on markets with a known answer, through the very judge that promotes agents.

How often is luck promoted (per market, and over ten attempts), and how small an edge is still found? Tried where luck
is cheapest, on venues without fees. Run `python -m decot.gate.calibrate`; the result is kept beside this file and
printed on every card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from decot.gate.calibration import (
    STORE,
    bounds_digest,
    clopper_pearson,
    power_picture,
    public,
    stored,
    told,
)
from decot.gate.config import GateConfig
from decot.gate.knock import Bench, CalibrationConfig, Job, Runner, runner
from decot.gate.nulls import KINDS, Base, edge_per_beta

Progress = Callable[[str], None]


def false_promotions(
    cfg: CalibrationConfig, run: Runner, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """One search per edge-free market: how many are promoted, and what stopped the others."""
    verdicts: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    by_kind: dict[str, int] = {}
    seeds = [cfg.seed * 1_000_003 + i for i in range(cfg.markets_per_kind)]
    for kind in KINDS:
        outcomes = list(run([Job(kind=kind, seed=seed) for seed in seeds]))
        verdicts.update(outcome.word for outcome in outcomes)
        stopped.update(name for outcome in outcomes for name in outcome.failed)
        by_kind[kind] = sum(outcome.word == "promoted" for outcome in outcomes)
        progress(f"edge-free, {kind}: {by_kind[kind]} of {cfg.markets_per_kind} promoted")
    return {
        **_share(sum(by_kind.values()), cfg.markets_per_kind * len(KINDS)),
        "by_kind": by_kind,
        "verdicts": dict(verdicts),
        "stopped_by": dict(stopped.most_common()),
    }


def families(cfg: CalibrationConfig, run: Runner, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Ten searches in a row on one edge-free market, the other day always the same: is any of them promoted?"""
    kinds = list(KINDS)
    jobs = [
        Job(kind=kinds[i % len(kinds)], seed=cfg.seed * 2_000_003 + i, attempts=cfg.attempts)
        for i in range(cfg.families)
    ]
    fell = 0
    for i, outcome in enumerate(run(jobs), start=1):
        fell += outcome.word == "promoted"
        if i % 10 == 0:
            progress(f"{i} families of {cfg.attempts} attempts: {fell} with a false promotion")
    return {**_share(fell, cfg.families), "attempts": cfg.attempts}


def power_curve(cfg: CalibrationConfig, run: Runner, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Share of planted markets whose search is promoted, by the size of the edge, and what stopped the others."""
    per_beta = edge_per_beta(np.random.default_rng(3))
    seeds = [cfg.seed * 3_000_017 + i for i in range(cfg.planted_markets)]
    curve = []
    for edge in cfg.edges_bps:
        jobs = [Job(kind="planted", seed=seed, edge_bps=edge, per_beta=per_beta) for seed in seeds]
        outcomes = list(run(jobs))
        words = Counter(outcome.word for outcome in outcomes)
        stopped = Counter(name for outcome in outcomes for name in outcome.failed)
        low, high = clopper_pearson(words["promoted"], cfg.planted_markets)
        power = words["promoted"] / cfg.planted_markets
        curve.append(
            {
                "edge_bps": edge,
                "power": power,
                "low95": low,
                "high95": high,
                "verdicts": dict(words),
                "stopped_by": dict(stopped.most_common(6)),
            }
        )
        progress(
            f"planted {edge:g} bps a trade: {100 * power:.0f} % promoted; {dict(stopped.most_common(6))}"
        )
    at = next((p["power"] for p in curve if p["edge_bps"] == cfg.declared_edge_bps), None)
    return {"declared_edge_bps": cfg.declared_edge_bps, "at_declared_edge": at, "curve": curve}


def _share(hits: int, n: int) -> dict[str, Any]:
    return {"markets": n, "promoted": hits, "rate": hits / max(n, 1), "upper95": clopper_pearson(hits, n)[1]}


def calibrate(
    cfg: CalibrationConfig | None = None,
    gate: GateConfig | None = None,
    *,
    base: Base | None = None,
    workers: int = 1,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The whole trial. Same configuration, same figures, whatever the number of workers."""
    cfg, gate = cfg or CalibrationConfig(), gate or GateConfig()
    with runner(Bench(cfg, gate, base), workers) as run:
        return {
            "false_promotion": false_promotions(cfg, run, progress),
            "power": power_curve(cfg, run, progress),
            "family": families(cfg, run, progress),
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
    parser.add_argument("--workers", type=int, default=1, help="processes; the figures do not depend on it")
    parser.add_argument("--tape", type=Path, help="resample this recorded tape instead of a made-up stretch")
    parser.add_argument("--markets", type=int, default=CalibrationConfig().markets_per_kind, help="per kind")
    parser.add_argument("--picture", type=Path, help="draw the power curve into this SVG file as well")
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
        found = calibrate(cfg, base=base, workers=chosen.workers, progress=print_progress)
        found["base"] = "made-up" if chosen.tape is None else chosen.tape.name
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    if chosen.picture is not None:
        chosen.picture.parent.mkdir(parents=True, exist_ok=True)
        chosen.picture.write_text(power_picture(found, standalone=True) + "\n")
    sys.stdout.write((json.dumps(public(found)) if chosen.json else told(found)) + "\n")
    kept = found["false_promotion"]["upper95"] <= 0.05 and (found["power"]["at_declared_edge"] or 0) >= 0.8
    return 0 if kept else 1


def print_progress(line: str) -> None:
    """Progress goes to stderr, so that stdout stays the result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
