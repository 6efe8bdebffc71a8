"""A live session as two tasks: looked after until it ends, or stopped. One task a session, none a tick."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from httpx import HTTPError
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import PrefectException

from decot.errors import RiskHalt, VenueUnavailable
from decot.experiment import supervise
from decot.experiment.supervise import HALTED, Kept, Wanted

LOOK_S = 1.0
AGAIN_S = 5.0
REFUSED = 1
"""exit code: it did not want to start"""
SIGNALLED = (-signal.SIGTERM, -signal.SIGINT)
"""somebody wanted it to end while Python was still starting: a stop, not a crash"""
SAY_S = 30.0
MOST_STARTS = 4


@task(name="look after", task_run_name="look after {wanted.name}")
def look_after(wanted: Wanted) -> dict[str, Any]:
    """Begin the worker (or find it), tell how it is, begin it again after a crash; when this run is ended, so is the worker.

    Raises:
        RiskHalt: it was halted, a person must look. VenueUnavailable: it ended without a report, again and again.
    """
    kept, home = supervise.begin(wanted), Path(wanted.home)
    try:
        while True:
            _watch(kept, home)
            said, code = kept.report(), kept.process.returncode if kept.process is not None else None
            if said:
                _tell(home, wanted.name, f"ended {said['state']}: {said['why']}")
                if code == HALTED or said["state"] == "halted":
                    raise RiskHalt(f"{wanted.name} halted: {said['why']}; look, then start it with --release")
                return said
            if code == REFUSED and kept.n_starts == 1:  # the same again would be refused again
                raise VenueUnavailable(f"{wanted.name} did not start: {kept.last_words()}")
            if kept.n_starts >= MOST_STARTS:
                raise VenueUnavailable(f"{wanted.name} crashed {kept.n_starts} times: {kept.last_words()}")
            if code == REFUSED:  # it traded before, so it may hold something: perhaps the venue answers later
                time.sleep(AGAIN_S)
            if code in SIGNALLED:
                supervise.want_stopped(wanted, f"a signal ({-code}) ended it before it could listen")
            get_run_logger().warning("%s is gone without a word (%s); beginning it again", wanted.name, code)
            kept = supervise.begin(wanted, n_starts=kept.n_starts + 1)
    except (RiskHalt, VenueUnavailable):
        raise
    except BaseException:  # cancelled, or ended with the machine: out of the market first
        supervise.stop(home, wanted.name, why="the run that looked after it was ended")
        raise


@task(name="stop", task_run_name="stop {session}")
def stop(home: str, session: str) -> dict[str, Any]:
    """Out of the market, books closed, process gone."""
    return supervise.stop(Path(home), session)


@task(name="pull the switch")
def pull(home: str, why: str) -> dict[str, Any]:
    """Every session of this home halts within a second."""
    return supervise.pull(Path(home), why)


@task(name="look")
def look(home: str, session: str) -> dict[str, Any]:
    """How a session is now, as an artifact too."""
    return _tell(Path(home), session, "asked")


def _watch(kept: Kept, home: Path) -> None:
    said_at, state = 0.0, ""
    while kept.is_alive:
        time.sleep(LOOK_S)
        told = supervise.look(home, kept.wanted.name)
        now = str(told.get("state", "starting"))
        if now != state or time.monotonic() - said_at > SAY_S:
            said_at = time.monotonic()
            get_run_logger().info(
                "%s %s: %s bars, position %s, equity %s, %s fills", kept.wanted.name, now,
                told.get("n_bars", 0), told.get("position", 0), told.get("equity_usdt"), told.get("n_fills", 0),
            )  # fmt: skip
            if now != state:
                _tell(home, kept.wanted.name, now)
            state = now


def _tell(home: Path, session: str, why: str) -> dict[str, Any]:
    told = supervise.look(home, session)
    rows = "\n".join(f"| {name} | {value} |" for name, value in told.items() if not isinstance(value, dict))
    text = f"# {session}: {why}\n\n| | |\n|-|-|\n{rows}\n"
    try:
        create_markdown_artifact(text, key="live-session", description=why)
    except (
        PrefectException,
        HTTPError,
        OSError,
        RuntimeError,
    ) as error:  # a server that is away ends no session
        get_run_logger().warning("%s: %s could not be shown: %s", session, why, error)
    return told
