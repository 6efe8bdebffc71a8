"""The child process that carries a spool to W&B: `python -m decot.report.tracking_mirror FOLDER PARENT_PID`.
Knows W&B; knows nothing of who wrote the spool.

It may hang or die at any line; the parent only ever looks at `mirror.json`, its exit and its log.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

POLL_S = 0.05
TELL_S = 0.5


class Mirror:
    """Open runs by name, and the words the spool knows."""

    def __init__(self, folder: Path, cfg: dict[str, Any]) -> None:
        import wandb

        self.wandb, self.folder, self.cfg = wandb, folder, cfg
        self.mode, self.why = cfg["mode"], ""
        self.open: dict[str, Any] = {}
        self.finished = 0
        self.told = 0.0

    def take(self, words: dict[str, Any]) -> None:
        if time.monotonic() - self.told > TELL_S:
            self.tell()
        run, verb = words["run"], words["verb"]
        if verb == "start":
            self.open[run] = self.start(run, words)
        elif verb == "log":
            self.open[run].log(words["row"])
        elif verb == "table":
            table = self.wandb.Table(columns=words["columns"], data=words["rows"])
            self.open[run].log({words["name"]: table})
        elif verb == "artefact":
            self.artefact(self.open[run], words)
        elif verb == "finish":
            self.open[run].summary.update(words["summary"])
            self.open.pop(run).finish()
            self.finished += 1
            self.tell()

    def start(self, run: str, words: dict[str, Any]) -> Any:
        try:
            return self.init(run, words)
        except self.wandb.errors.Error as error:
            if self.mode != "online":
                raise
            self.mode = "offline"
            self.why = (
                f"W&B did not answer ({type(error).__name__}): runs are kept offline, `wandb sync` sends them"
            )
            self.tell()
            return self.init(run, words)

    def init(self, run: str, words: dict[str, Any]) -> Any:
        settings = self.wandb.Settings(
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            disable_git=True,
            disable_job_creation=True,
            save_code=False,
            console="off",
            silent=True,
            init_timeout=self.cfg["init_timeout_s"],
        )
        return self.wandb.init(
            project=self.cfg["project"],
            name=run,
            group=words["group"],
            job_type=words["job_type"],
            config=words["config"],
            dir=str(self.folder),
            mode=self.mode,
            reinit="create_new",
            settings=settings,
        )

    def artefact(self, run: Any, words: dict[str, Any]) -> None:
        """By reference: the local registry keeps the bytes."""
        artefact = self.wandb.Artifact(words["name"], type=words["kind"], metadata=words["metadata"])
        if words["path"]:
            artefact.metadata["path"] = words["path"]
        run.log_artifact(artefact)

    def close(self) -> None:
        """Runs nobody finished are finished as they are."""
        for run in list(self.open):
            self.open.pop(run).finish()
            self.finished += 1
        self.tell()

    def tell(self) -> None:
        self.told = time.monotonic()
        part = self.folder / "mirror.json.part"
        part.write_text(json.dumps({"finished": self.finished, "why": self.why}))
        os.replace(part, self.folder / "mirror.json")


def spoken(spool: Path, parent: int) -> Iterator[dict[str, Any]]:
    """The spool's words as they come, until `close` or until the parent is gone."""
    rest, at = b"", 0
    while True:
        chunk = b""
        if spool.exists():
            with spool.open("rb") as file:
                file.seek(at)
                chunk = file.read()
        at += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole:
            words = json.loads(text)
            if words["verb"] == "close":
                return
            yield words
        if not whole:
            if os.getppid() != parent:
                return
            time.sleep(POLL_S)


def main(folder: Path, parent: int) -> None:
    os.nice(10)
    cfg = json.loads((folder / "config.json").read_text())
    signal.setitimer(
        signal.ITIMER_REAL, cfg["life_s"]
    )  # the system ends us, even inside a call that never returns
    mirror = Mirror(folder, cfg)
    for words in spoken(folder / "spool.jsonl", parent):
        mirror.take(words)
    mirror.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
