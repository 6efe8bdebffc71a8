"""Evaluate: any artefact on any recorded market, with the honest account and the ladder beside it. It never trains.

The artefact brings its scaler, its word boundaries, its regime model and its venue; the tape brings the market. Fees,
capital and delay can be asked anew. Where the artefact's own home still holds the rows it was taught on, a linear
rule is fitted on them and judged beside it, and rows of the tape that it was taught on are named. A tape of minutes is
reported as well, with a shorter warm-up, and the report says that it is too short for a conclusion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot import clock
from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.errors import CheckpointRefused, ConfigError
from decot.experiment import examine
from decot.experiment.baselines import least_squares
from decot.experiment.brief import Brief, find
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context, open_context, surroundings
from decot.experiment.place import Place
from decot.experiment.school import Part, School, part_of, rejoin, schema_hash
from decot.experiment.trial import period_bars, targets_on
from decot.features.batch import compute
from decot.features.kernel import WARMUP
from decot.features.table import base_table, features_table
from decot.gate.bootstrap import stationary_bootstrap_lower
from decot.gate.evidence import periods, shuffled_targets
from decot.market.account import Account
from decot.market.oracle import bound_of, check_plausible
from decot.market.rules import VenueRules
from decot.market.simulate import Run, simulate
from decot.market.tape import Tape
from decot.model.agent import Agent
from decot.model.checkpoint import load, weights_hash
from decot.model.play import decide
from decot.model.sentences import sentence
from decot.report.progress import Listener, listening, say
from decot.rl.faithful import word_report
from decot.rl.heads import head_report

_HORIZONS_S = (5, 10, 30)
_RANDOM_DRAWS = 50
_ENOUGH_BARS = 1_200
"""bars that say something; with fewer the report is made, and says that it concludes nothing"""
_FEWEST_BARS = 30
"""bars below which there is nothing to report"""
_Z95 = 1.96
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of an artefact."""

    tape: Path
    symbol: str = ""
    day: str = ""
    """one UTC day of the tape, YYYY-MM-DD; empty is all of it"""
    fee_bps: float | None = None
    """a side, maker and taker; None keeps the venue's"""
    capital_usdt: float | None = None
    latency: str = ""
    """milliseconds, or `tape`: the delay the recording itself shows, bar by bar; empty keeps the artefact's"""
    n_sentences: int = 10

    def faults(self) -> list[str]:
        """Everything wrong with the question."""
        found = []
        if not self.tape.exists():
            found.append(f"--tape {self.tape}: there is no such file or folder; check the path")
        if self.fee_bps is not None and not 0 <= self.fee_bps < 1_000:
            found.append(f"--fee-bps {self.fee_bps:g} is not a fee; give 0 or more, below 1000")
        if self.capital_usdt is not None and not 0 < self.capital_usdt < 20:
            found.append(
                f"--capital {self.capital_usdt:g}: agents here hold more than 0 and less than 20 USDT"
            )
        if self.day and _midnight_ms(self.day) < 0:
            found.append(f"--day {self.day}: give a UTC day as YYYY-MM-DD")
        if self.latency not in ("", "tape") and not _is_delay(self.latency):
            found.append(f"--latency {self.latency}: give milliseconds (1 or more) or the word tape")
        return found


def evaluate(home: Path, artefact: str, asked: Question, listener: Listener | None = None) -> dict[str, Any]:
    """The account, the ladder, forecasts, heads, words and some sentences of one artefact on one tape.

    Args:
        artefact: a run, an artefact of the home, or the beginning of one's name.
    Raises:
        ConfigError: no such artefact, a question that makes no sense, a tape that is too short.
        TapeRefused: no known layout, or values that cannot be.
        CheckpointRefused: the artefact's bytes or its idea of a row are not those of this installation.
    """
    if asked.faults():
        raise ConfigError(asked.faults())
    with listening(listener):
        brief, place = find(home, artefact), Place(home)
        experiment = Experiment.of(replace(brief.order, home=str(home)))
        agent, manifest = load(place.home / "artefacts" / brief.artefact)
        if manifest["schema"] != schema_hash():
            raise CheckpointRefused(
                f"{brief.artefact} reads rows of another schema; judge it with the version that made it"
            )
        say("evaluate", 0, 4, "the tape as the agent sees it")
        school = rejoin(experiment, place.lake.check(brief.features), manifest)
        part, rules, account, told = _seen(experiment, place, brief, school, asked)
        taught = _taught(brief, school, part, told["symbol"])
        burn = min(experiment.split.burn_in, len(part.tape) // 4)
        experiment = replace(experiment, split=replace(experiment.split, burn_in=burn))
        return _told(experiment, agent, school, part, rules, account, asked) | told | {
            "artefact": brief.artefact,
            "weights": weights_hash(agent),
            "taught_rows_in_tape": taught,
            "cautions": _cautions(told["bars"], told["warm_up_bars"], burn, taught),
        }  # fmt: skip


def _seen(
    experiment: Experiment, place: Place, brief: Brief, school: School, asked: Question
) -> tuple[Part, VenueRules, Account, dict[str, Any]]:
    tape = open_tape(asked.tape, symbol=asked.symbol or None)
    bars = build_bars(tape, experiment.clock_ms, experiment.clock_by)
    wide = _widened(experiment, place, open_context(place, brief.context), bars)
    ends = wide["timestamp"].to_numpy()
    warm = WARMUP if bars.height >= WARMUP + _ENOUGH_BARS else min(WARMUP, bars.height // 4)
    keep = np.arange(wide.height) >= warm
    if asked.day:
        first = _midnight_ms(asked.day)
        keep &= (ends > first) & (ends <= first + _DAY_MS)
    rows = np.flatnonzero(keep)
    if len(rows) < _FEWEST_BARS:
        where = f" on {asked.day}" if asked.day else ""
        raise ConfigError(
            [f"{asked.tape.name}: {len(rows)} bars{where} after warm-up; {_FEWEST_BARS} are needed"]
        )
    span = slice(int(rows[0]), int(rows[-1]) + 1)
    rules = school.rules
    if asked.fee_bps is not None:
        rules = rules.with_fees(asked.fee_bps, asked.fee_bps, f"asked for: {asked.fee_bps:g} bps a side")
    account = replace(school.account, capital_usdt=asked.capital_usdt or school.account.capital_usdt)
    part = part_of(experiment, tape.symbol, wide[span], rules, school.scaler, school.grounding)
    delay = asked.latency or f"{experiment.market.latency_ms:g}"
    if asked.latency:
        wait = bars["latency_ms"].to_numpy()[span] if delay == "tape" else np.float64(delay)
        whole = part.tape
        again = Tape.of(
            whole.timestamp, whole.bid, whole.ask, whole.bid_qty, whole.ask_qty, np.maximum(wait, 1.0)
        )
        part = replace(part, tape=again)
    told = {
        "tape": asked.tape.name,
        "venue_of_tape": tape.venue,
        "symbol": tape.symbol,
        "from": clock.iso(int(part.tape.timestamp[0])),
        "to": clock.iso(int(part.tape.timestamp[-1])),
        "bars": len(part.tape),
        "warm_up_bars": warm,
        "is_conclusive": len(part.tape) >= _ENOUGH_BARS,
        "clock_ms": experiment.clock_ms,
        "venue_rules": rules.name,
        "fee_bps": {"maker": rules.maker_bps, "taker": rules.taker_bps},
        "capital_usdt": account.capital_usdt,
        "latency_ms": delay if delay == "tape" else float(delay),
    }
    return part, rules, account, told


def _widened(experiment: Experiment, place: Place, context: Context, bars: pl.DataFrame) -> pl.DataFrame:
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    matrix = compute(bars, cfg)
    around = surroundings(experiment, place, context, bars, None)
    return features_table(base_table(bars, cfg, matrix=matrix), matrix, around)


def _told(
    experiment: Experiment,
    agent: Agent,
    school: School,
    part: Part,
    rules: VenueRules,
    account: Account,
    asked: Question,
) -> dict[str, Any]:
    say("evaluate", 1, 4, "the account and the ladder")
    targets = targets_on(experiment, agent, part)
    run = simulate(part.tape, targets, rules, account)
    check_plausible(run, part.tape, rules)
    figures = account_of(run, part.tape, period_bars(experiment))
    rungs = _ladder(school, part, targets, run, rules, account)
    say("evaluate", 2, 4, "heads")
    heads = head_report(agent, part.lesson, part.steps, seed=experiment.seed)
    say("evaluate", 3, 4, "words")
    words = word_report(agent, part.lesson, seed=experiment.seed)
    said = decide(agent, part.lesson.obs)
    truth = part.lesson.words
    shuffled = examine.word_figures(words, said.words, truth).shuffled
    say("evaluate", 4, 4, f"{figures['net_bps']:+.1f} bps")
    return {
        **figures,
        "baselines": rungs,
        "forecasts": _forecasts(part, said.forecasts[:, 1], experiment.clock_ms),
        "heads": [examine.head_row(check) | {"operational": check.is_operational} for check in heads],
        "words": {
            "reparsed": words.reparsed,
            "intervention": round(words.intervention, 4),
            "stability": round(words.stability, 4),
            "shuffled": round(shuffled, 4),
            "questions": examine.word_rows(words),
        },
        "sentences": _sentences(part, run, said.words, targets, asked.n_sentences),
    }


def account_of(run: Run, tape: Tape, period: int) -> dict[str, Any]:
    """One account in figures; bps are of its capital unless it says a trade."""
    each = run.trades["pnl_bps"].astype(np.float64)
    ci = _Z95 * float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else None
    minutes = periods(run.net_bps, period)
    lower = stationary_bootstrap_lower(minutes, alpha=0.05, draws=2_000, rng=np.random.default_rng(0))
    return {
        "net_bps": round(run.total_bps, 3),
        "net_usdt": round(run.pnl_usdt, 6),
        "net_bps_lower95": round(float(lower) * minutes.size, 3) if math.isfinite(lower) else None,
        "trades": run.n_trades,
        "fills": len(run.fills),
        "fees_usdt": round(run.fees_usdt, 6),
        "turnover_usdt": round(run.turnover_usdt, 3),
        "exposure": round(float((run.position != 0).mean()), 4),
        "hit_rate": round(float((each > 0).mean()), 4) if len(each) else None,
        "bps_per_trade": {"mean": round(float(each.mean()), 4), "ci95": None if ci is None else round(ci, 4)}
        if len(each)
        else None,
        "drawdown_usdt": round(float(run.drawdown_usdt.min()), 6),
        "drawdown_bps": round(float(run.drawdown_usdt.min()) / run.capital_usdt * 1e4, 2),
        "refused_orders": dict(run.refused),
    }


def _ladder(
    school: School, part: Part, targets: np.ndarray, run: Run, rules: VenueRules, account: Account
) -> dict[str, dict[str, Any]]:
    """What others make of the same tape: nothing, holding, chance, a line, and hindsight."""

    def rung(wanted: np.ndarray) -> dict[str, Any]:
        other = simulate(part.tape, wanted.astype(np.int8), rules, account)
        return {"net_bps": round(other.total_bps, 3), "trades": other.n_trades}

    n = len(part.tape)
    hold = simulate(part.tape, np.ones(n, np.int8), rules, account)
    rng = np.random.default_rng(0)
    lucky = [simulate(part.tape, shuffled_targets(targets, rng), rules, account).total_bps
             for _ in range(_RANDOM_DRAWS)]  # fmt: skip
    return {
        "noop": rung(np.zeros(n)),
        "buy_hold": {"net_bps": round(hold.total_bps, 3), "trades": hold.n_trades},
        "random": {
            "net_bps": round(float(np.mean(lucky)), 3),
            "q05": round(float(np.quantile(lucky, 0.05)), 3),
            "q95": round(float(np.quantile(lucky, 0.95)), 3),
            "beaten": round(float(np.mean(np.array(lucky) < run.total_bps)), 3),
        },
        "least_squares": rung(least_squares(school.train, part)),
        "oracle": {
            "net_bps": round(
                bound_of(run if len(run.fills) else hold, part.tape, rules) / account.capital_usdt * 1e4, 3
            )
        },
    }


def _forecasts(part: Part, forecast: np.ndarray, clock_ms: int) -> dict[str, float | None]:
    """Correlation of the 10-s forecast with what the mid did over 5, 10 and 30 seconds."""
    mid = np.log((part.tape.bid + part.tape.ask) / 2)
    found: dict[str, float | None] = {}
    for seconds in _HORIZONS_S:
        ahead = max(1, round(seconds * 1_000 / clock_ms))
        came, said = mid[ahead:] - mid[:-ahead], forecast[:-ahead]
        moved = came.std() > 0 and said.std() > 0
        found[str(seconds)] = round(float(np.corrcoef(said, came)[0, 1]), 4) if moved else None
    return found


def _sentences(part: Part, run: Run, words: np.ndarray, targets: np.ndarray, n: int) -> list[dict[str, Any]]:
    """What it said when it acted, with the row it spoke of."""
    before = np.concatenate([[0], targets[:-1]])
    acts = np.flatnonzero(targets != before)
    chosen = acts[np.linspace(0, len(acts) - 1, min(n, len(acts))).astype(int)] if len(acts) else acts
    return [
        {
            "t": clock.iso(int(part.tape.timestamp[row])),
            "row": int(row),
            "mid": round(float((part.tape.bid[row] + part.tape.ask[row]) / 2), 6),
            "position": int(before[row]),
            "action": int(targets[row]),
            "sentence": sentence(words[row], "en", int(targets[row]), int(before[row])),
        }
        for row in chosen
    ]


def _taught(brief: Brief, school: School, part: Part, symbol: str) -> int:
    """Rows of this tape that the artefact was taught or chosen on."""
    if symbol != brief.features.symbol:
        return 0
    known = np.concatenate([school.train.tape.timestamp, school.validation.tape.timestamp])
    return int(np.isin(part.tape.timestamp, known).sum())


def _cautions(bars: int, warm: int, burn: int, taught: int) -> list[str]:
    """What a reader must know before believing a figure of this report."""
    found = []
    if bars < _ENOUGH_BARS:
        found.append(
            f"{bars:,} bars after a warm-up of {warm}, {burn} more until it trades: too few for a conclusion "
            f"({_ENOUGH_BARS:,} are); nothing here says that it earns or loses on this market"
        )
    if taught:
        found.append(f"it was taught or chosen on {taught:,} of these rows")
    return found


def _midnight_ms(day: str) -> int:
    """Milliseconds of a UTC day's beginning, −1 when that is no day."""
    try:
        return round(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1_000)
    except ValueError:
        return -1


def _is_delay(text: str) -> bool:
    try:
        return 1 <= float(text) < 3_600_000
    except ValueError:
        return False
