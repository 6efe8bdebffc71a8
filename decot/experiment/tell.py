"""Tell: what a run found becomes a story for people, an outcome for machines, and a mirror in W&B."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot import clock
from decot.context.regime_picture import regime_picture
from decot.evolve.ledger import Ledger
from decot.experiment import refit
from decot.experiment.baselines import least_squares
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context, open_context
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import Part, School, rejoin
from decot.experiment.train import targets_on
from decot.market.simulate import Run, simulate
from decot.model.agent import Agent
from decot.model.checkpoint import load
from decot.model.play import decide
from decot.model.sentences import sentence
from decot.report.figures import thin
from decot.report.html import write_report
from decot.report.progress import say
from decot.report.story import Act, Curve, Story, Thought
from decot.report.tracking import TrackingConfig, sync_from_ledger
from decot.report.tracking_views import views
from schemas.ref import Ref

_ACTIONS = {1: "buy", -1: "sell", 0: "close"}
_SEEN = ("close", "spread", "volume", "order_imbalance", "imb_5", "ofi", "flow_30", "ret_10", "ret_60", "vol_60", "rsi_14",
         "sentiment_bullish", "sentiment_bearish")  # fmt: skip
"""what a reader is shown of the row a sentence speaks of"""


def tell(
    experiment: Experiment,
    place: Place,
    order: Order,
    *,
    run_id: str,
    tables: tuple[Ref, ...],
    features: Ref,
    context: str,
    around: dict[str, Any],
    searched: dict[str, Any],
    final: dict[str, Any],
    judged: dict[str, Any],
    traded: dict[str, Any],
) -> dict[str, Any]:
    """Write the report and the machine-readable outcome of one run."""
    say("report", 0, 3, "the account and its thoughts")
    agent, manifest = load(place.home / "artefacts" / final["artefact"])
    frame = place.get(features)
    school = rejoin(experiment, frame, manifest)
    acts = [_act(experiment, agent, school, part, frame) for part in (school.validation, school.other)]
    known = open_context(place, context)
    folder = place.folder("runs", run_id)
    say("report", 1, 3, "the W&B mirror")
    mirror = _mirrored(experiment, place, searched["folder"])
    say("report", 2, 3, "the page")
    picture = _regimes_drawn(known, frame)
    story = Story(
        run_id=run_id,
        title=f"{experiment.name} on {market_of(experiment, order)}",
        verdict=judged["verdict"],
        lead=_lead(judged),
        gate_html=judged["html"],
        acts=acts,
        front=[{**row, "genome": json.dumps(row["genome"])} for row in searched["front"]],
        heads=judged["heads"],
        words=judged["words"],
        seeds=[
            {
                "seed": str(row["seed"]),
                **{key: row[key] for key in ("validation_bps", "best_step", "env_steps")},
            }
            for row in final["seeds"]
        ],
        tables=[{**ref.to_dict(), "digest": ref.digest[:16]} for ref in tables],
        facts=_facts(experiment, final, searched, around, judged, mirror),
        caveats=_caveats(order, around, mirror),
        figures=[picture],
        search=views(Ledger(place.home / "search" / searched["folder"] / "ledger.jsonl").lines()),
        command=command(order),
    )
    report = write_report(story, folder / "report.html")
    _write_thoughts(acts, folder / "thoughts.jsonl")
    _write_accounts(acts, folder / "acts.json")
    front = [row for row in searched["front"] if row["is_front"]]
    outcome = {
        "run_id": run_id,
        "tables": [ref.to_dict() for ref in tables],
        "train": {
            **{key: searched[key] for key in ("individuals", "trials", "env_steps")},
            "search": searched["folder"],
            "front": front,
            "ledger_head": searched["ledger_head"],
            "artefact": final["artefact"],
            "weights": final["weights"],
        },
        "gate": {key: judged[key] for key in ("verdict", "rules", "reasons", "trades_needed")},
        "trade": traded or None,
        "report": str(report.resolve()),
        "card": judged["text"],
    }
    draft = folder / "run.json.part"
    draft.write_text(json.dumps(outcome, ensure_ascii=False, indent=1))
    os.replace(draft, folder / "run.json")
    say("report", 3, 3, str(report))
    return outcome


def _regimes_drawn(known: Context, frame: pl.DataFrame) -> dict[str, Any]:
    posterior = np.stack([frame[f"regime_{k}"].to_numpy() for k in range(known.regimes.n_states)], axis=1)
    drawn = regime_picture(frame["timestamp"].to_numpy(), frame["close"].to_numpy(), posterior, known.regimes)
    return {"caption": "Price by regime, transitions and dwell times", **drawn}


def new_run_id(order: Order) -> str:
    """A name that sorts by time and says what it was."""
    return f"{clock.now().strftime('%Y%m%d-%H%M%S')}-{Path(order.profile).stem}"


def _act(experiment: Experiment, agent: Agent, school: School, part: Part, frame: pl.DataFrame) -> Act:
    targets = targets_on(experiment, agent, part)
    run = simulate(part.tape, targets, school.rules, school.account)
    linear = simulate(part.tape, least_squares(school.train, part), school.rules, school.account)
    held = simulate(part.tape, np.ones(len(part.tape), np.int8), school.rules, school.account)
    t_ms = [int(t) for t in part.tape.timestamp]
    return Act(
        name=part.name,
        price=Curve(name="mid", t_ms=t_ms, value=part.tape.mid.tolist()),
        equity=Curve(name="agent", t_ms=t_ms, value=run.equity_usdt.tolist()),
        position=run.position.tolist(),
        thoughts=_thoughts(agent, part, targets, run, frame),
        baselines=[
            Curve(name="buy and hold", t_ms=t_ms, value=held.equity_usdt.tolist()),
            Curve(name="least squares", t_ms=t_ms, value=linear.equity_usdt.tolist()),
        ],
    )


def _thoughts(agent: Agent, part: Part, targets: np.ndarray, run: Run, frame: pl.DataFrame) -> list[Thought]:
    words = decide(agent, part.lesson.obs).words
    before = np.r_[np.int8(0), targets[:-1]]
    earned = _earned_by_decision(part, run)
    names = [name for name in _SEEN if name in frame.columns]
    seen = {row["timestamp"]: row for row in frame.select("timestamp", *names).iter_rows(named=True)}
    return [
        Thought(
            t_ms=int(part.tape.timestamp[row]),
            row=part.first_row + int(row),
            price=float(part.tape.mid[row]),
            action=_ACTIONS[int(targets[row])],
            sentence=sentence(words[row], "en", int(targets[row]), int(before[row])),
            sentence_fr=sentence(words[row], "fr", int(targets[row]), int(before[row])),
            pnl_bps=earned.get(int(row)),
            seen={name: float(seen[int(part.tape.timestamp[row])][name]) for name in names},
        )
        for row in np.flatnonzero(targets != before)
    ]


def _earned_by_decision(part: Part, run: Run) -> dict[int, float]:
    """Row of the decision that ended a trade → what the trade earned, bps."""
    decided = {int(fill["row"]): int(fill["decided"]) for fill in run.fills}
    return {decided[int(trade["exit_row"])]: float(trade["pnl_bps"]) for trade in run.trades
            if int(trade["exit_row"]) in decided}  # fmt: skip


def _lead(judged: dict[str, Any]) -> str:
    reasons = judged["reasons"]
    more = f" And {len(reasons) - 1} more." if len(reasons) > 1 else ""
    needed = (
        f" About {judged['trades_needed']} more round trips would tell." if judged["trades_needed"] else ""
    )
    return (reasons[0] if reasons else "") + more + needed


def _facts(
    experiment: Experiment,
    final: dict[str, Any],
    searched: dict[str, Any],
    around: dict[str, Any],
    judged: dict[str, Any],
    mirror: str,
) -> dict[str, str]:
    return {
        "artefact": final["artefact"],
        "weights (sha256)": final["weights"],
        "trial ledger head": searched["ledger_head"],
        "individuals, trials, env steps": f"{searched['individuals']}, {searched['trials']}, {searched['env_steps']:,}",
        "venue": f"{experiment.market.venue} {experiment.market.symbol}, {experiment.market.capital_usdt:g} USDT",
        "latency": f"{experiment.market.latency_ms:g} ms, judged at twice that",
        "news read by": around["text"]["model"],
        "regimes, beside the context before": refit.in_words(around["regimes"].get("alignment")),
        "one decision, p99": f"{judged['p99_us']:g} µs",
        "seed": str(experiment.seed),
        "W&B": mirror,
    }


def _caveats(order: Order, around: dict[str, Any], mirror: str) -> list[str]:
    said = []
    if not order.tape:
        said.append(
            "The market of this run is made up: a world with a known answer. Its profit proves that the machine works, "
            "not that any real market pays."
        )
    if around["text"]["is_stand_in"]:
        said.append(
            f"News was read by {around['text']['model']}: a small model built and trained on the spot on made-up "
            "headlines. Set DECOT_TEXT_MODEL to a folder with the real weights."
        )
    if around["text"]["possibly_seen"]:
        said.append(
            f"{around['text']['possibly_seen']} headlines were published by {around['text']['trained_until']}, when the "
            "encoder itself was still learning: it may remember what followed."
        )
    alignment = around["regimes"].get("alignment") or {}
    if alignment.get("meaning_changed"):
        said.append(
            "A regime no longer means what it meant in the context before: "
            + "; ".join(alignment["changed"])
            + ". Words about regimes must be read anew."
        )
    if order.zero_head:
        said.append(f"A drill: the head {order.zero_head} was silenced on purpose after training.")
    said.append("Venue rules of modelled venues are ours, not an exchange's; see decot/market/snapshots.")
    said.append(
        "Paper fills take the touch at the bar where the order arrives; queues and partial fills are not in play."
    )
    if "so far" in mirror:
        said.append(f"W&B: {mirror}.")
    return said


def _mirrored(experiment: Experiment, place: Place, search: str) -> str:
    """Mirror the ledger into W&B run folders; whatever happens there, the run goes on."""
    if not experiment.track.enabled:
        return "disabled in the profile"
    track = experiment.track
    cfg = TrackingConfig(
        mode=track.mode,
        base_url=track.base_url,
        project=track.project,
        close_timeout_s=track.wait_s,
        leave=True,
        life_s=track.time_box_s,
    )
    ledger = place.home / "search" / search / "ledger.jsonl"
    told = sync_from_ledger(ledger, place.folder("tracking", search), cfg)
    if told.why:
        return f"{told.runs} runs under tracking/{search} so far: {told.why}"
    return f"{told.runs} offline runs under tracking/{search}"


def _write_thoughts(acts: list[Act], path: Path) -> None:
    lines = [
        json.dumps({"act": act.name, "t": clock.iso(one.t_ms), "row": one.row, "price": one.price, "action": one.action,
                    "sentence": one.sentence, "sentence_fr": one.sentence_fr, "pnl_bps": one.pnl_bps},
                   ensure_ascii=False)
        for act in acts
        for one in act.thoughts
    ]  # fmt: skip
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _write_accounts(acts: list[Act], path: Path) -> None:
    """The agent's account on each stretch, as finely as it is drawn; `decot compare` reads it."""
    kept = [
        {"name": act.name, "t_ms": (seen := thin(act.equity)).t_ms, "equity_usdt": seen.value} for act in acts
    ]
    path.write_text(json.dumps({"acts": kept}))


def market_of(experiment: Experiment, order: Order) -> str:
    """What was traded, in words."""
    return order.source if order.tape else f"the embedded {experiment.world.kind} world"


def command(order: Order) -> str:
    """What someone would type to have this run again."""
    said = ["decot run", f"--profile {order.profile}"]
    said += [f"--world {order.world}"] if order.world else []
    said += [f"--tape {order.source}"] if order.tape else []
    said += [f"--news {order.news}"] if order.news else []
    said += [f"--seed {order.seed}"] if order.seed is not None else []
    said += [f"--zero-head {order.zero_head}"] if order.zero_head else []
    return " ".join(said)


def outcome_card(outcome: dict[str, Any]) -> str:
    """The run in a few lines of markdown."""
    gate, train = outcome["gate"], outcome["train"]
    said = gate["verdict"].replace("_", " ")
    trade = outcome["trade"]
    lines = [
        f"## {said.capitalize()}",
        *gate["reasons"][:3],
        f"bred {train['individuals']} individuals in {train['trials']} trials, {train['env_steps']:,} env steps; "
        f"weights {train['weights'][:16]}",
        f"paper session: {trade['net_usdt']:+.4f} USDT ({trade['net_bps']:+.1f} bps), {trade['fills']} fills"
        if trade
        else "nobody was certified, so nobody traded",
        outcome["report"],
    ]
    return "\n\n".join(lines)
