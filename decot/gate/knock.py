"""One search knocking at the gate, on a market with a known answer; or several in a row. Knows the judge, counts nothing.

Heads, words, drills, seeds and artefact are given as sound here: it is the statistics that are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from decot.gate.config import GateConfig
from decot.gate.evidence import Ledgered, Scene, gather
from decot.gate.figures import Drill, HeadFigure, WordFigures
from decot.gate.nulls import Base, Market, make_market
from decot.gate.rules import judge
from decot.gate.search import search
from decot.gate.verdict import Verdict
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A market to be made and how often to knock there."""

    kind: str
    seed: int
    edge_bps: float = 0.0
    per_beta: float = 1.0
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last verdict's word (`promoted` as soon as one attempt is) and the rules that failed."""

    word: str
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every job of a calibration shares."""

    cfg: CalibrationConfig
    gate: GateConfig
    base: Base | None

    def run(self, job: Job) -> Outcome:
        """Make the market, search and knock, until promoted or out of attempts; the other day stays the same."""
        cfg = self.cfg
        fee = cfg.planted_fee_bps if job.kind == "planted" else 0.0
        market = make_market(
            job.kind,
            seed=job.seed,
            bars=cfg.bars,
            edge_bps=job.edge_bps,
            per_beta=job.per_beta,
            base=self.base,
        )
        earlier: list[np.ndarray] = []
        for attempt in range(1, job.attempts + 1):
            verdict, trials = knock(
                market,
                cfg=cfg,
                rules=replace(free_rules(), taker_bps=fee),
                attempt=attempt,
                earlier=earlier,
                seed=job.seed + 7_919 * (attempt - 1),
                gate=self.gate,
            )
            earlier.append(trials)
            if verdict.verdict == "promoted":
                break
        return Outcome(verdict.verdict, tuple(rule.name for rule in verdict.rules if not rule.passed))


Runner = Callable[[Sequence[Job]], Iterator[Outcome]]
_BENCH: list[Bench] = []


@contextmanager
def runner(bench: Bench, workers: int = 1) -> Iterator[Runner]:
    """Runs jobs in order, here or in processes of their own; the outcomes are the same, in the order of the jobs."""
    if workers <= 1:
        yield lambda jobs: map(bench.run, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _settle, (bench,)) as pool:
        yield lambda jobs: pool.map(_run, jobs)


def _settle(bench: Bench) -> None:
    _BENCH[:] = [bench]


def _run(job: Job) -> Outcome:
    return _BENCH[0].run(job)
