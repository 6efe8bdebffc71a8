"""Whatever becomes of W&B, a run goes on: it waits once, briefly, and says what it knows."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.experiment.config import Experiment, TrackConfig
from decot.experiment.place import Place
from decot.experiment.tell import _mirrored

pytest.importorskip("wandb")
CFG = SearchConfig(generations=2, population=4, trials=2, subject="mirror")


class Waiting:
    """A training that takes time and no core."""

    def __call__(self, *words):
        time.sleep(self.seconds)
        return Surrogate()(*words)

    def __init__(self, seconds):
        self.seconds = seconds


def run(home: Path, track: TrackConfig, seconds: float = 0.0) -> tuple[float, str]:
    """A search and its mirror, as the pipeline has them; how long both took, and what is said."""
    began = time.perf_counter()
    folder = home / "search" / CFG.identity
    search(Waiting(seconds), CFG, Ledger(folder / "ledger.jsonl"), folder)
    said = _mirrored(replace(Experiment(), track=track), Place(home), CFG.identity)
    return time.perf_counter() - began, said


@pytest.fixture
def hanging():
    """An endpoint that accepts and never answers."""
    server, kept = socket.create_server(("127.0.0.1", 0)), []

    def accept():
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                kept.append(server.accept())

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def refusing() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_the_run_says_what_was_mirrored(tmp_path):
    """Offline with time enough: every individual has its run folder."""
    _, said = run(tmp_path, TrackConfig(wait_s=60.0))
    assert said.split(" under ")[0] in ("7 offline runs", "8 offline runs")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hanging", "refusing", "full disk"])
def test_a_broken_wandb_adds_less_than_five_percent(tmp_path, monkeypatch, hanging, fault):
    """A search of about 50 s and its mirror, online against an endpoint that hangs or refuses, or offline on a full disk:
    the wall time rises by less than 5 %, nothing is raised, and it is said."""
    monkeypatch.setenv("WANDB_API_KEY", "local" + "0" * 35)
    alone, _ = run(tmp_path / "alone", TrackConfig(enabled=False), 3.0)
    home, track = tmp_path / "home", TrackConfig(wait_s=2.0, time_box_s=20.0)
    if fault == "full disk":
        disk = home / "tracking" / CFG.identity
        disk.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
        if (
            shutil.which("mount") is None
            or subprocess.run(words, check=False, capture_output=True).returncode
        ):
            pytest.skip("no small file system can be mounted here: the full disk is not tried")
    else:
        url = hanging if fault == "hanging" else refusing()
        track = replace(track, mode="online", base_url=url)
    try:
        taken, said = run(home, track, 3.0)
    finally:
        if fault == "full disk":
            subprocess.run(["umount", "-l", str(disk)], check=False)
    print(fault, round(alone, 2), round(taken, 2), said)
    assert taken < 1.05 * alone
    assert "so far" in said
