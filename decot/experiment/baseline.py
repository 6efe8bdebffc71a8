"""The baseline of a registered agent: it decides again on rows it was taught and chosen on; `live` learns what is usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from decot.errors import CheckpointRefused, GapInData, LakeBroken, ModelFault
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import Part, rejoin
from decot.gate.registry import Registry
from decot.live.monitor import Baseline, MonitorConfig
from decot.live.monitor_fit import Clean, fit_baseline
from decot.model.agent import Agent
from decot.model.checkpoint import load
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding
from decot.report.progress import Listener, listening, say
from schemas.ref import Ref


def baseline_file(home: Path, digest: str) -> Path:
    """Where a session looks for the baseline of an agent."""
    return home / "monitor" / f"{digest}.json"


def fit_monitor(
    home: Path, digest: str, profile: str, cfg: MonitorConfig | None = None, listener: Listener | None = None
) -> dict[str, Any]:
    """Fit the baseline of an agent and put it where its sessions look for it.

    Raises:
        RegistryRefused: no such agent. GapInData: the rows it was taught on are too few, or no longer in the lake.
    """
    experiment, place = Experiment.of(Order(profile=profile, home=str(home))), Place(home)
    entry = Registry(place.folder("registry")).get(digest)
    agent, manifest = load(entry.folder)
    with listening(listener):
        say("monitor", 0, 0, "deciding again on the rows it was taught on")
        school = rejoin(experiment, place.get(Ref.from_dict(manifest["data"][0])), manifest)
        base = fit_baseline(
            clean_of(agent, school.train),
            clean_of(agent, school.validation),
            Grounding.from_json(manifest["grounding"]),
            clock_ms=experiment.clock_ms,
            cfg=cfg,
            on_step=lambda done, of: say("monitor", done, of, "bars of made-up days"),
        )
    file = baseline_file(home, entry.digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    base.save(file)
    bounds = {name: [round(low, 4), round(high, 4)] for name, (low, high) in base.bounds.items()}
    return {"digest": entry.digest, "file": str(file), "bounds": bounds, "taught": dict(base.taught)}


def ensure_baseline(home: Path, digest: str, profile: str, listener: Listener | None = None) -> str:
    """Fit the baseline of an agent unless there is a usable one; says what became of it, and never stops a stage."""
    file = baseline_file(home, digest)
    try:
        if file.is_file():
            Baseline.open(file)
            return f"its reasoning is watched ({file.name} was there)"
    except CheckpointRefused:  # of another revision: fitted again below
        file.unlink()
    try:
        made = fit_monitor(home, digest, profile, listener=listener)
    except (GapInData, ModelFault, LakeBroken) as why:
        return f"NOT WATCHED: no baseline could be fitted ({why}); its sessions will say so"
    return f"its reasoning is watched (perplexity taught {made['taught']['perplexity']:.3f})"


def clean_of(agent: Agent, part: Part) -> Clean:
    """A part of a school, and what the agent says and does on it."""
    decisions = decide(agent, part.lesson.obs)
    mid = (np.asarray(part.tape.bid) + np.asarray(part.tape.ask)) / 2
    return Clean(part.lesson.obs, part.lesson.words, decisions, walk(decisions.actions_if), mid)
