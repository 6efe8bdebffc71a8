"""The registry's mirror in W&B: one small run per stage change, with the agent as an artifact. Knows no verdict.

The local registry is the truth; whatever happens to the mirror is told in a line and stops nothing.
"""

from __future__ import annotations

from decot.experiment.place import Place
from decot.gate.registry import Entry
from decot.report.tracking import Tracker, TrackingConfig

FOLDER = "registry"
_PATIENCE_S = 25.0


def mirrored(place: Place, entry: Entry, project: str = "decot", *, is_enabled: bool = True) -> str:
    """Write the entry's newest stage into an offline W&B run under `tracking/registry`; gives what became of it."""
    if not is_enabled:
        return "not mirrored: disabled in the profile"
    last = entry.history[-1]
    name = f"agent-{entry.digest[:12]}"
    run = f"{name}-{last['stage']}"
    cfg = TrackingConfig(project=project, close_timeout_s=_PATIENCE_S)
    tracker = Tracker(cfg, place.folder("tracking", FOLDER))
    about = {"digest": entry.digest, "stage": last["stage"], "certificate": last["certificate"] or ""}
    tracker.start(run, group="registry", job_type="registry", config=about)
    told = {**about, "why": last["why"], "at": last["at"]}
    tracker.artefact(run, name, "agent", path=f"registry/objects/{entry.digest}", metadata=told)
    tracker.finish(run, {"stage": last["stage"]})
    report = tracker.close()
    return f"not mirrored in full: {report.why}" if report.why else f"mirrored in tracking/{FOLDER}"
