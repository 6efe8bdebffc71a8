"""Promote: everything the judge reads is gathered from `model`, `market`, `rl` and the ledger; the gate decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot import clock
from decot.evolve.ledger import Ledger
from decot.experiment.baselines import least_squares
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import open_context, surroundings
from decot.experiment.mind import mind_of
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.replay import in_fresh_process, other_day_digest
from decot.experiment.school import School, part_of, rejoin, schema_hash
from decot.experiment.train import period_bars, targets_on
from decot.features.batch import compute
from decot.features.causality import check_table
from decot.features.kernel import BAR_INPUTS
from decot.features.table import base_table, features_table
from decot.gate.card import html_card, markdown_card, text_card
from decot.gate.certificate import issue, open_key
from decot.gate.drills import DRILLS, drill_bars
from decot.gate.evidence import HeadFigure, Ledgered, Scene, WordFigures, gather, p99_us, trials_matrix
from decot.gate.registry import Registry
from decot.gate.rules import judge as weigh
from decot.model.agent import Agent
from decot.model.checkpoint import load, read
from decot.report.progress import say
from decot.rl.faithful import WordReport, word_report
from decot.rl.heads import HeadCheck, head_report
from schemas.ref import Ref

_STEPS = 7
_DRILL_BARS = 3_000
_CAUSAL_BARS = 1_500
_TIMED_BARS = 400


def judge(
    experiment: Experiment,
    place: Place,
    order: Order,
    features: Ref,
    bars: Ref,
    context: str,
    search: str,
    artefact: str,
    seeds: list[dict[str, Any]],
) -> dict[str, Any]:
    """The verdict on one artefact, with every figure it rests on; a certificate when all rules hold."""
    folder = place.home / "artefacts" / artefact
    agent, manifest = load(folder)
    school = rejoin(experiment, place.get(features), manifest)
    say("promote", 0, _STEPS, "heads and words on rows it was not taught on")
    heads = head_report(agent, school.other.lesson, school.other.steps, seed=experiment.seed)
    words = word_report(agent, school.other.lesson, seed=experiment.seed)
    say("promote", 1, _STEPS, "the other day")
    scenes = {
        part.name: Scene(part.tape, targets_on(experiment, agent, part))
        for part in (school.validation, school.other)
    }
    again = [load(place.home / "artefacts" / row["artefact"])[0] for row in seeds]
    retrained = [Scene(school.other.tape, targets_on(experiment, one, school.other)) for one in again]
    linear = Scene(school.other.tape, least_squares(school.train, school.other))
    say("promote", 2, _STEPS, "anomaly drills")
    frame = place.get(bars)
    drills = _drills(experiment, place, context, agent, school, frame)
    say("promote", 3, _STEPS, "does any column see the future")
    leaks = _leaks(experiment, frame)
    say("promote", 4, _STEPS, "how long a decision takes")
    p99 = _decision_p99(experiment, place, context, agent, manifest, frame)
    say("promote", 5, _STEPS, "the artefact again, in a fresh process")
    here = other_day_digest(experiment, place, features, folder)
    elsewhere = in_fresh_process(order, features, folder)
    ledger_path = place.home / "search" / search / "ledger.jsonl"
    evidence = gather(
        validation=scenes["validation"],
        other_day=scenes["other day"],
        rules=school.rules,
        account=school.account,
        ledger=_ledgered(ledger_path, _attempt(place, school, artefact)),
        period_bars=period_bars(experiment),
        clock_ms=experiment.clock_ms,
        heads=[_head(check) for check in heads],
        words=_words(words),
        drills=drills,
        decision_p99_us=p99,
        reproduced=here == elsewhere,
        seed_scenes=retrained,
        least_squares=linear,
        feature_leaks=leaks,
        manifest_faults=_differences(experiment, folder, features),
        notes={"venue": school.rules.name, "artefact": artefact},
        cfg=experiment.gate,
    )
    say("promote", 6, _STEPS, "weighing")
    verdict = weigh(evidence, experiment.gate)
    plain = verdict.as_json()
    certificate = ""
    if verdict.verdict == "promoted":
        certificate = _certify(experiment, place, folder, plain, features, ledger_path)
    say("promote", _STEPS, _STEPS, verdict.verdict.replace("_", " "))
    return {
        **plain,
        "certificate": certificate,
        "card": markdown_card(verdict, evidence),
        "text": text_card(verdict, evidence),
        "html": html_card(verdict, evidence),
        "heads": [_told(check) for check in heads],
        "words": _word_rows(words),
        "p99_us": round(p99, 1),
    }


def _head(check: HeadCheck) -> HeadFigure:
    return HeadFigure(
        name=check.name,
        statistic=check.statistic,
        p_value=check.p_value,
        alive=check.alive,
        entropy=check.entropy,
        ablation_change=check.ablation_change,
    )


def _told(check: HeadCheck) -> dict[str, Any]:
    plain = {key: value for key, value in asdict(check).items() if key != "n"}
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in plain.items()}


def _words(report: WordReport) -> WordFigures:
    read_now = [value for name, value in report.accuracy.items() if name not in ("outlook", "risk")]
    return WordFigures(
        accuracy=float(np.mean(read_now)),
        intervention=report.intervention,
        stability=report.stability,
        shuffled=report.shuffled,
        reparse=report.reparsed,
    )


def _word_rows(report: WordReport) -> list[dict[str, Any]]:
    return [
        {
            "question": name,
            "accuracy": round(report.accuracy[name], 4),
            "always_the_commonest": round(report.majority[name], 4),
            "entropy_nats": round(report.entropy[name], 4),
        }
        for name in report.accuracy
    ]


def _drills(
    experiment: Experiment, place: Place, context: str, agent: Agent, school: School, bars: pl.DataFrame
) -> dict[str, Scene]:
    """The last bars of the other day with an anomaly in their middle, as the agent would have seen them."""
    known = open_context(place, context)
    tail = bars.tail(_DRILL_BARS)
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    scenes = {}
    for name in DRILLS:
        hurt = drill_bars(tail, name)
        matrix = compute(hurt, cfg)
        wide = features_table(
            base_table(hurt, cfg, matrix=matrix), matrix, surroundings(experiment, place, known, hurt, None)
        )
        part = part_of(experiment, name, wide, school.rules, school.scaler, school.grounding)
        scenes[name] = Scene(part.tape, targets_on(experiment, agent, part))
    return scenes


def _leaks(experiment: Experiment, bars: pl.DataFrame) -> list[str]:
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        matrix = compute(frame, cfg)
        return features_table(base_table(frame, cfg, matrix=matrix), matrix, {})

    found = check_table(build, bars.head(_CAUSAL_BARS), cuts=8, seed=experiment.seed)
    return sorted({leak.column for leak in found})


def _decision_p99(
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


def _ledgered(path: Path, attempt: int) -> Ledgered:
    """The trials as the gate counts them; raises LedgerBroken when the chain does not hold."""
    summary = Ledger.verify(path)
    trials = [line.payload["evaluation"]["period_pnl"] for line in Ledger(path).lines("trial")]
    return Ledgered(trials=trials_matrix(trials), n_trials=summary.n_trials, attempt=attempt)


def _attempt(place: Place, school: School, artefact: str) -> int:
    """Which attempt this artefact is on these judging rows; looking again at the same one is no new attempt."""
    ledger = Ledger(place.home / "attempts.jsonl")
    rows = school.other.tape
    day = f"{int(rows.timestamp[0])}-{int(rows.timestamp[-1])}-{float(rows.mid.sum()):.6f}"
    seen = [line.payload["artefact"] for line in ledger.lines("attempt") if line.payload["day"] == day]
    if artefact not in seen:
        ledger.append("attempt", {"artefact": artefact, "day": day})
        seen.append(artefact)
    return list(dict.fromkeys(seen)).index(artefact) + 1


def _differences(experiment: Experiment, folder: Path, features: Ref) -> list[str]:
    """What the artefact was made from against what is here."""
    _, _, manifest = read(folder)
    wanted = {
        "schema": schema_hash(),
        "code": code_version(),
        "clock_ms": experiment.clock_ms,
        "data": [features.to_dict()],
    }
    return [key for key, value in wanted.items() if manifest.get(key) != json.loads(json.dumps(value))]


def _certify(
    experiment: Experiment,
    place: Place,
    folder: Path,
    verdict: dict[str, Any],
    features: Ref,
    ledger_path: Path,
) -> str:
    """Sign it, keep it in the registry, and give the name of its entry."""
    key = open_key(place.folder("keys") / "signing.pem")
    registry = Registry(place.folder("registry"))
    now = clock.now()
    entry = registry.add(folder, now=now, note=f"profile {experiment.name}")
    if entry.stage == "candidate":
        issue(
            registry.certificate_of(entry.digest),
            artefact=entry.folder,
            verdict=verdict,
            data=[features.to_dict()],
            code=code_version(),
            config=json.loads(json.dumps(experiment.to_dict(), default=str)),
            ledger_head=Ledger.verify(ledger_path).head,
            key=key,
            now=now,
        )
        registry.promote(
            entry.digest, "certified", now=now, why="every rule of the gate holds", trusted=[key.public_key()]
        )
    return entry.digest
