"""A drill, run as a program: searches in forked children are killed with SIGKILL, at counted disk operations and at
random moments, and resumed; prints what came of it as JSON. `python kill_drill.py FOLDER N_POINTS SEED`."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate

CFG = SearchConfig(generations=3, population=4, trials=2, rungs=(0.5, 1.0), subject="drill")


def outcome(folder: Path) -> dict:
    result = search(Surrogate(), CFG, Ledger(folder / "ledger.jsonl"), folder / "work")
    return {
        "head": result.ledger_head,
        "front": [[m.key, m.genome.hash, m.params, list(m.point)] for m in result.front],
        "trials": result.trials,
    }


def in_child(folder: Path, before: Callable[[], None], alarm_s: float = 0.0) -> bool:
    """True when the child finished, False when it was killed."""
    pid = os.fork()
    if pid == 0:
        before()
        found = outcome(folder)
        (folder / "outcome.json").write_text(json.dumps(found))
        os._exit(0)
    if alarm_s:
        time.sleep(alarm_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a child failed with {os.WEXITSTATUS(status)}")
    return os.WIFEXITED(status)


def die_at(step: int) -> None:
    """Arranges this process's SIGKILL just before its step-th disk operation."""
    left = [step]

    def counted(function: Callable) -> Callable:
        def wrapped(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapped

    for name in ("replace", "fsync", "truncate"):
        setattr(os, name, counted(getattr(os, name)))


def main(folder: Path, n_points: int, seed: int) -> None:
    rng = random.Random(seed)
    steps = [0]
    began = time.perf_counter()
    in_child(folder / "whole", lambda: None)
    seconds = time.perf_counter() - began
    whole = json.loads((folder / "whole/outcome.json").read_text())
    n_disk = 5 * Ledger.verify(folder / "whole/ledger.jsonl").n_lines  # two replaces and three fsyncs a line
    killed = different = drills = 0
    while killed < n_points:
        place = folder / f"drill-{drills}"
        drills += 1
        for _ in range(3):  # up to three kills on the way
            if rng.random() < 0.6:
                steps[0] = rng.randrange(1, n_disk)
                done = in_child(place, lambda: die_at(steps[0]))
            else:
                done = in_child(place, lambda: None, alarm_s=rng.uniform(0.0, seconds))
            killed += not done
            if done:
                break
        in_child(place, lambda: None)
        found = json.loads((place / "outcome.json").read_text())
        different += found != whole
        Ledger.verify(place / "ledger.jsonl")
    print(json.dumps({"killed": killed, "drills": drills, "different": different, "trials": whole["trials"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
