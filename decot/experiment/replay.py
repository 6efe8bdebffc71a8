"""Does it come out the same again? An artefact in a fresh process, on the day it was judged on. Knows no session."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from decot.errors import CheckpointRefused
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import rejoin
from decot.experiment.train import targets_on
from decot.gate.evidence import pnl_digest
from decot.market.simulate import simulate
from decot.model.checkpoint import load
from schemas.ref import Ref

_PATIENCE_S = 600.0


def other_day_digest(experiment: Experiment, place: Place, features: Ref, artefact: Path) -> str:
    """sha256 over every equity and position of the artefact's account on the other day."""
    agent, manifest = load(artefact)
    school = rejoin(experiment, place.get(features), manifest)
    run = simulate(
        school.other.tape, targets_on(experiment, agent, school.other), school.rules, school.account
    )
    return pnl_digest(run)


def in_fresh_process(order: Order, features: Ref, artefact: Path) -> str:
    """`other_day_digest`, computed by a Python that has never seen the agent.

    Raises:
        CheckpointRefused: the process failed; its last words are in the message.
    """
    asked = json.dumps(
        {"order": order.to_dict(), "features": features.to_dict(), "artefact": str(artefact.resolve())}
    )
    done = subprocess.run(
        [sys.executable, "-m", "decot.experiment.replay"],
        input=asked,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise CheckpointRefused(f"{artefact.name} could not be replayed in a fresh process: {said[0]}")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Read the question from stdin, answer with a digest on stdout."""
    asked = json.loads(sys.stdin.read())
    order = Order(**asked["order"])
    digest = other_day_digest(
        Experiment.of(order), Place(order.home), Ref.from_dict(asked["features"]), Path(asked["artefact"])
    )
    sys.stdout.write(digest + "\n")


if __name__ == "__main__":
    main()
