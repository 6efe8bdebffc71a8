"""Promote: everything the judge reads is gathered from `model`, `market`, `rl` and the ledger; the gate decides.

`judge` puts a fresh artefact before the gate, `judge_again` the artefact of a finished run, from its files alone. Both
are the same judgement; the second also holds the files against what was written down the first time.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.experiment import examine
from decot.experiment.anchors import anchored, differences, left_out
from decot.experiment.attempts import Attempt, knock
from decot.experiment.baseline import ensure_baseline
from decot.experiment.baselines import least_squares
from decot.experiment.brief import Brief, find, opened, remember
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.mirror import mirrored
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.replay import in_fresh_process, other_day_digest
from decot.experiment.school import School, rejoin
from decot.experiment.trial import period_bars, targets_on
from decot.gate.card import html_card, html_page, markdown_card, svg_card, text_card
from decot.gate.certificate import issue
from decot.gate.evidence import Evidence, Scene, gather
from decot.gate.keys import key_path, signing_key
from decot.gate.ladder import ladder
from decot.gate.registry import Registry
from decot.gate.rules import judge as weigh
from decot.gate.signed import digest_of, write_whole
from decot.gate.verdict import Verdict
from decot.model.checkpoint import load
from decot.model.play import decide
from decot.report.progress import Listener, current, listening, say
from decot.rl.faithful import word_report
from decot.rl.heads import head_report
from schemas.ref import Ref

_STEPS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A question about another market than the run's own; nothing is ever certified on it."""

    fee_bps: float | None = None
    """taker fee a side instead of the venue's; the maker's is at most as high"""
    also: str = ""
    """another recorded market the agent must pass as well"""

    def faults(self) -> list[str]:
        """Everything wrong with the question."""
        found = []
        if self.fee_bps is not None and not 0 <= self.fee_bps < 1_000:
            found.append(f"--fee-bps {self.fee_bps:g} is not a fee; give 0 or more, below 1000")
        if self.also and not Path(self.also).exists():
            found.append(f"--also {self.also}: there is no such file or folder; check the path")
        return found


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
    headlines: Ref | None = None,
) -> dict[str, Any]:
    """The verdict on one artefact, with every figure it rests on; a certificate when all rules hold."""
    brief = Brief(
        order=order,
        features=features,
        bars=bars,
        context=context,
        search=search,
        artefact=artefact,
        seeds=seeds,
        headlines=headlines,
    )
    return _judged(experiment, place, _as_before(place, brief, experiment), WhatIf(), is_first=True)


def _as_before(place: Place, brief: Brief, experiment: Experiment) -> Brief:
    """The same with what was written down when this artefact was judged first, if choices and code are still the same."""
    now = replace(brief, choices=examine.plain_of(experiment), code=code_version())
    then = opened(place.home, brief.artefact)
    if then is None or (then.choices, then.code, then.features) != (now.choices, now.code, now.features):
        return now
    return replace(now, ledger=then.ledger, pnl=then.pnl)


def judge_again(
    home: Path, run: str, asked: WhatIf | None = None, listener: Listener | None = None
) -> dict[str, Any]:
    """The verdict on the finalist of a finished run, from its files; each call is written to the list of attempts.

    Raises:
        ConfigError: no such run, or a question that makes no sense.
        LakeBroken, LedgerBroken, CheckpointRefused: a file is not what it was.
    """
    asked = asked or WhatIf()
    if asked.faults():
        raise ConfigError(asked.faults())
    brief, place = find(home, run), Place(home)
    order = replace(brief.order, home=str(home))
    with listening(listener):
        experiment = Experiment.of(order)
        return _judged(experiment, place, replace(brief, order=order), asked)


def _judged(
    experiment: Experiment, place: Place, brief: Brief, asked: WhatIf, *, is_first: bool = False
) -> dict[str, Any]:
    folder = place.home / "artefacts" / brief.artefact
    ledger_path = place.home / "search" / brief.search / "ledger.jsonl"
    say("promote", 0, _STEPS, "the files: ledger, tables, artefact")
    ledger = anchored(ledger_path, brief)
    agent, manifest = load(folder)
    table, frame = place.lake.check(brief.features), place.lake.check(brief.bars)
    news = place.lake.check(brief.headlines) if brief.headlines else None
    school = rejoin(experiment, table, manifest)
    if asked.fee_bps is not None:
        fee = asked.fee_bps
        dear = school.rules.with_fees(
            min(school.rules.maker_bps, fee), fee, f"what if the taker paid {fee:g} bps"
        )
        school = replace(school, rules=dear)
    attempt = _attempt(place, school, experiment, brief, asked)

    say("promote", 1, _STEPS, "heads and words on rows it was not taught on")
    heads = head_report(agent, school.other.lesson, school.other.steps, seed=experiment.seed)
    words = word_report(agent, school.other.lesson, seed=experiment.seed)
    said = decide(agent, school.other.lesson.obs).words
    scenes = {
        part.name: Scene(part.tape, targets_on(experiment, agent, part))
        for part in (school.validation, school.other)
    }
    again = [load(place.home / "artefacts" / row["artefact"])[0] for row in brief.seeds]
    retrained = [Scene(school.other.tape, targets_on(experiment, one, school.other)) for one in again]
    linear = Scene(school.other.tape, least_squares(school.train, school.other))
    other_market, where = None, "none was given (--also TAPE)"
    if asked.also:
        other_market, where = examine.elsewhere(
            experiment, place, brief.context, agent, school, Path(asked.also)
        )
    say("promote", 2, _STEPS, "anomaly drills")
    drills = examine.drilled(experiment, place, brief.context, agent, school, frame)
    say("promote", 3, _STEPS, "does any column see the future")
    leaks = examine.leaks(experiment, frame)
    leaks += [
        f"{name} (stored values are not what the bars give)"
        for name in examine.slipped_in(experiment, place, brief.context, table, frame, news)
    ]
    say("promote", 4, _STEPS, "how long a decision takes")
    p99 = examine.decision_p99(experiment, place, brief.context, agent, manifest, frame)
    say("promote", 5, _STEPS, "the artefact again, in a fresh process")
    here = other_day_digest(experiment, place, brief.features, folder)
    fresh = in_fresh_process(brief.order, brief.features, folder)
    brief = replace(brief, ledger=brief.ledger or ledger, pnl=brief.pnl or here)
    if is_first:
        remember(place.home, brief)
    evidence = gather(
        validation=scenes["validation"],
        other_day=scenes["other day"],
        rules=school.rules,
        account=school.account,
        ledger=examine.ledgered(ledger_path, attempt.number),
        period_bars=period_bars(experiment),
        clock_ms=experiment.clock_ms,
        heads=[examine.head_figure(check) for check in heads],
        words=examine.word_figures(words, said, school.other.lesson.words),
        drills=drills,
        decision_p99_us=p99,
        reproduced=here == fresh == brief.pnl,
        seed_scenes=retrained,
        least_squares=linear,
        other_market=other_market,
        feature_leaks=leaks,
        manifest_faults=differences(experiment, folder, brief) + left_out(ledger_path, brief),
        notes=_notes(place, school, brief, asked, attempt, where),
        cfg=experiment.gate,
    )
    evidence = replace(evidence, ladder=ladder(evidence))
    say("promote", 6, _STEPS, "weighing")
    verdict = weigh(evidence, experiment.gate)
    is_own = asked.fee_bps is None
    certificate = ""
    if verdict.verdict == "promoted" and is_own:
        certificate = _certify(experiment, place, folder, verdict.as_json(), brief, ledger_path)
    card = _put_away(place, brief, asked, verdict, evidence)
    say("promote", _STEPS, _STEPS, verdict.verdict.replace("_", " "))
    return {
        **verdict.as_json(),
        "certificate": certificate,
        "card": markdown_card(verdict, evidence),
        "text": text_card(verdict, evidence),
        "html": html_card(verdict, evidence),
        "heads": [examine.head_row(check) for check in heads],
        "words": examine.word_rows(words),
        "p99_us": round(p99, 1),
        "attempt": attempt.number,
        "looks": attempt.looks,
        "ladder": [_finite(asdict(rung)) for rung in evidence.ladder],
        "stress": [asdict(row) for row in evidence.stress],
        "notes": evidence.notes,
        "svg": svg_card(verdict, evidence),
        "page": str(card.resolve()),
    }


def _attempt(place: Place, school: School, experiment: Experiment, brief: Brief, asked: WhatIf) -> Attempt:
    """Which attempt this is on these judging rows; the same question asked again spends no more alpha."""
    about: dict[str, Any] = {"artefact": brief.artefact}
    about |= {"fee_bps": asked.fee_bps} if asked.fee_bps is not None else {}
    about |= {"also": Path(asked.also).name} if asked.also else {}
    bounds = json.loads(json.dumps(experiment.to_dict()["gate"], default=str))
    return knock(place.home, school.other.tape, digest_of([about, bounds, school.rules.name]), about)


def _notes(
    place: Place, school: School, brief: Brief, asked: WhatIf, attempt: Attempt, where: str
) -> dict[str, str]:
    """Facts for the card."""
    rules, other = school.rules, school.other.tape
    notes = {
        "venue": f"{rules.name}: maker {rules.maker_bps:g}, taker {rules.taker_bps:g} bps, lot {rules.lot:g}, "
        f"minimum {rules.min_notional_usdt:g} USDT",
        "artefact": brief.artefact,
        "other day": f"{clock.iso(int(other.timestamp[0]))} … {clock.iso(int(other.timestamp[-1]))}",
        "other market": where,
        "looks": f"{attempt.looks} at these rows so far, attempt {attempt.number} spends alpha",
        "data": f"features version {brief.features.version}, {brief.features.digest[:12]}",
    }
    newest = place.lake.latest(brief.features.table)
    if newest > brief.features.version:
        notes["data"] += f"; the lake holds version {newest} by now"
    if asked.fee_bps is not None:
        notes["what if"] = f"the taker paid {asked.fee_bps:g} bps a side; nothing is certified on a what-if"
    return notes


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in row.items()}


def _put_away(place: Place, brief: Brief, asked: WhatIf, verdict: Verdict, evidence: Evidence) -> Path:
    """The card as a page of its own, beside the brief; one per question."""
    name = "card" if asked.fee_bps is None else f"card-{asked.fee_bps:g}bps"
    name += f"-{Path(asked.also).stem}" if asked.also else ""
    path = place.folder("gate", brief.artefact) / f"{name}.html"
    write_whole(path, html_page(verdict, evidence).encode())
    return path


def _certify(
    experiment: Experiment,
    place: Place,
    folder: Path,
    verdict: dict[str, Any],
    brief: Brief,
    ledger_path: Path,
) -> str:
    """Sign it, keep it in the registry, and give the name of its entry."""
    now = clock.now()
    key, expires = signing_key(key_path(place.home), now)
    registry = Registry(place.folder("registry"))
    entry = registry.add(folder, now=now, note=f"profile {experiment.name}")
    trusted = [key.public_key()]
    if registry.wants_signature(entry.digest, trusted=trusted, now=now):
        issue(
            registry.certificate_of(entry.digest),
            artefact=entry.folder,
            verdict=verdict,
            data=[brief.features.to_dict()],
            code=code_version(),
            config=json.loads(json.dumps(experiment.to_dict(), default=str)),
            ledger_head=Ledger.verify(ledger_path).head,
            key=key,
            now=now,
            key_expires=expires,
        )
        why = "every rule of the gate holds"
        if entry.stage == "candidate":
            registry.promote(entry.digest, "certified", now=now, why=why, trusted=trusted)
        else:
            registry.certify_again(entry.digest, now=now, why=f"{why}, signed anew", trusted=trusted)
        told = mirrored(
            place,
            registry.get(entry.digest),
            experiment.track.project,
            is_enabled=experiment.track.enabled,
        )
        watched = ensure_baseline(place.home, entry.digest, brief.order.profile, current())
        say("promote", _STEPS, _STEPS, f"certified {entry.digest[:12]}; {watched}; W&B: {told}")
    return entry.digest
