"""Everything the judge wants to know of an artefact beside its account: heads, words, drills, leaks, speed.

Knows how `model`, `rl`, `features` and the drills of the gate meet; weighs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.experiment.attempts import quarters
from decot.experiment.config import Experiment
from decot.experiment.enrich import open_context, surroundings
from decot.experiment.mind import mind_of
from decot.experiment.place import Place
from decot.experiment.school import Part, School, part_of
from decot.experiment.trial import targets_on
from decot.features.batch import compute
from decot.features.causality import check_table
from decot.features.kernel import BAR_INPUTS, WARMUP
from decot.features.table import base_table, features_table
from decot.gate.drills import DRILLS, drill_bars
from decot.gate.evidence import HeadFigure, Ledgered, Scene, WordFigures, p99_us, trials_matrix
from decot.model.agent import Agent
from decot.model.config import FORESEEING
from decot.model.vocabulary import NAMES
from decot.rl.faithful import WordReport
from decot.rl.heads import HeadCheck

_DRILL_BARS = 3_000
_CAUSAL_BARS = 1_500
_TIMED_BARS = 400
_OTHER_BARS = 1_200
"""fewest bars of another market that say something"""


def head_figure(check: HeadCheck) -> HeadFigure:
    """A head's check in the words of the gate."""
    return HeadFigure(**{item.name: getattr(check, item.name) for item in fields(HeadFigure)})


def head_row(check: HeadCheck) -> dict[str, Any]:
    """A head's check as a row of the report."""
    plain = {key: value for key, value in asdict(check).items() if key != "n"}
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in plain.items()}


def word_figures(report: WordReport, said: np.ndarray, truth: np.ndarray) -> WordFigures:
    """The words' report in the words of the gate.

    Accuracy is that of what can be read now. The chance level is what the same words would reach in random order: a
    speaker who always says the commonest word has it, and nothing above it.

    Args:
        said, truth: (T, 9) answers of the agent and of the columns; said is −1 where a question is not asked.
    """
    asked = [k for k, name in enumerate(NAMES) if name in report.accuracy and name not in FORESEEING]
    hits = [float((said[:, k] == truth[:, k]).mean()) for k in asked]
    return WordFigures(
        accuracy=float(np.mean(hits)),
        intervention=report.intervention,
        stability=report.stability,
        shuffled=float(np.mean([_by_chance(said[:, k], truth[:, k]) for k in asked])),
        reparse=report.reparsed,
    )


def _by_chance(said: np.ndarray, truth: np.ndarray) -> float:
    """Expected share of hits after either column was shuffled."""
    n = int(max(said.max(), truth.max())) + 1
    ours, theirs = (np.bincount(one.astype(np.int64), minlength=n) / len(one) for one in (said, truth))
    return float(ours @ theirs)


def word_rows(report: WordReport) -> list[dict[str, Any]]:
    """One row a question, for the report."""
    return [
        {
            "question": name,
            "accuracy": round(report.accuracy[name], 4),
            "always_the_commonest": round(report.majority[name], 4),
            "entropy_nats": round(report.entropy[name], 4),
        }
        for name in report.accuracy
    ]


def as_seen(
    experiment: Experiment, place: Place, context: str, school: School, bars: pl.DataFrame, name: str
) -> Part:
    """Any bars, widened and scaled as the agent would have seen them, without news."""
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    matrix = compute(bars, cfg)
    around = surroundings(experiment, place, open_context(place, context), bars, None)
    wide = features_table(base_table(bars, cfg, matrix=matrix), matrix, around)
    return part_of(experiment, name, wide, school.rules, school.scaler, school.grounding)


def drilled(
    experiment: Experiment, place: Place, context: str, agent: Agent, school: School, bars: pl.DataFrame
) -> dict[str, Scene]:
    """The last bars of the other day with an anomaly in their middle, as the agent would have seen them."""
    tail = bars.tail(_DRILL_BARS)
    scenes = {}
    for name in DRILLS:
        part = as_seen(experiment, place, context, school, drill_bars(tail, name), name)
        scenes[name] = Scene(part.tape, targets_on(experiment, agent, part))
    return scenes


def elsewhere(
    experiment: Experiment, place: Place, context: str, agent: Agent, school: School, tape: Path
) -> tuple[Scene, str]:
    """The agent on a recorded market it has never seen, under the same venue's rules; and that market in words.

    Raises:
        TapeRefused: no known layout, or values that cannot be.
        ConfigError: too short to say anything, or rows that it was taught or is judged on already.
    """
    from decot.data.bars import build_bars
    from decot.data.tapes import open_tape

    found = open_tape(tape)
    bars = build_bars(found, experiment.clock_ms, experiment.clock_by)
    if bars.height < WARMUP + _OTHER_BARS:
        raise ConfigError(
            [
                f"--also {tape.name}: {bars.height} bars of {experiment.clock_ms} ms, {WARMUP + _OTHER_BARS} are needed"
            ]
        )
    part = as_seen(experiment, place, context, school, bars, "other market")
    own = {one for known in (school.train, school.validation, school.other) for one in quarters(known.tape)}
    if own & set(quarters(part.tape)):
        raise ConfigError(
            [f"--also {tape.name}: it holds rows this agent was taught or is judged on; give another market"]
        )
    told = f"{found.venue} {found.symbol} ({tape.name}, {bars.height:,} bars, venue rules of {school.rules.name})"
    return Scene(part.tape, targets_on(experiment, agent, part)), told


def leaks(experiment: Experiment, bars: pl.DataFrame) -> list[str]:
    """Columns of the features table that change when the future of the bars is replaced."""
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        matrix = compute(frame, cfg)
        return features_table(base_table(frame, cfg, matrix=matrix), matrix, {})

    found = check_table(build, bars.head(_CAUSAL_BARS), cuts=8, seed=experiment.seed)
    return sorted({leak.column for leak in found})


def slipped_in(
    experiment: Experiment,
    place: Place,
    context: str,
    features: pl.DataFrame,
    bars: pl.DataFrame,
    headlines: pl.DataFrame | None,
) -> list[str]:
    """Columns of the stored table that are not what the code makes of the stored bars and headlines.

    What came over MCP cannot be made again; it is compared only where the table says that nothing came.
    """
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    matrix = compute(bars, cfg)
    around = surroundings(experiment, place, open_context(place, context), bars, headlines)
    made = features_table(base_table(bars, cfg, matrix=matrix), matrix, around)
    if made.height != features.height or not made["timestamp"].equals(features["timestamp"]):
        return ["timestamp"]
    heard = bool((features["context_known"] != 0).any())
    ours = [name for name in made.columns if not (heard and name.startswith("context_"))]
    return [name for name in ours if not made[name].equals(features[name])]


def decision_p99(
    experiment: Experiment,
    place: Place,
    context: str,
    agent: Agent,
    manifest: Mapping[str, Any],
    bars: pl.DataFrame,
) -> float:
    """99th percentile of one live decision: features, regime, network and words, microseconds."""
    mind = mind_of(experiment, open_context(place, context), agent, manifest)
    tail = bars.tail(_TIMED_BARS)
    stamps, values = tail["timestamp"].to_list(), tail.select(BAR_INPUTS).to_numpy()

    def one(row: int) -> object:
        return mind.decide(mind.read(stamps[row], values[row]), 0)

    return p99_us(one, len(stamps))


def ledgered(path: Path, attempt: int) -> Ledgered:
    """The trials as the gate counts them; raises LedgerBroken when the chain does not hold."""
    summary = Ledger.verify(path)
    trials = [line.payload["evaluation"]["period_pnl"] for line in Ledger(path).lines("trial")]
    return Ledgered(trials=trials_matrix(trials), n_trials=summary.n_trials, attempt=attempt)


def plain_of(experiment: Experiment) -> dict[str, Any]:
    """Every choice that decides a verdict, as JSON; names, sessions, mirrors and who evaluates decide none."""
    whole: dict[str, Any] = json.loads(json.dumps(experiment.to_dict(), default=str))
    return {key: value for key, value in whole.items() if key not in ("name", "session", "track", "crew")}
