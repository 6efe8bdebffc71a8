"""One machine, everything up: Prefect's server on loopback and the served flows, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from decot import clock
from decot.errors import VenueUnavailable
from tasks.environment import api_of, prepare

_PATIENCE_S = 180.0


def up(home: Path, port: int = 4200) -> None:
    """Start the server as a child, serve the flows here, and end both together.

    Raises:
        VenueUnavailable: the server did not answer in time; its log is named.
    """
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    prepare(home)
    home.mkdir(parents=True, exist_ok=True)
    note, log = home / "up.json", home / "prefect-server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        note.write_text(json.dumps({"api": os.environ["PREFECT_API_URL"], "pid": server.pid}))
        _wait_for(server, note, log)
        sys.stderr.write(f"Prefect UI: http://127.0.0.1:{port}   (Ctrl-C ends it)\n")
        _serve()
    finally:
        note.unlink(missing_ok=True)
        _end(server)


def _wait_for(server: subprocess.Popen[bytes], note: Path, log: Path) -> None:
    begun = clock.stopwatch()
    while clock.stopwatch() - begun < _PATIENCE_S:
        if server.poll() is not None:
            raise VenueUnavailable(
                f"the Prefect server ended with code {server.returncode}; its log is {log}"
            )
        if api_of(note):
            return
        try:
            server.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
    raise VenueUnavailable(f"the Prefect server did not answer within {_PATIENCE_S:.0f} s; its log is {log}")


def _serve() -> None:
    from prefect import serve
    from prefect.schedules import Cron

    from decot.experiment.order import Order
    from deployments.timetable import TIMETABLE
    from flows.pipeline import pipeline

    served = [
        pipeline.to_deployment(
            name=visit.name,
            schedule=Cron(visit.cron, timezone="UTC", active=False),
            parameters={"order": Order(profile=visit.profile).to_dict()},
            description=visit.why,
            concurrency_limit=1,
            tags=["decot"],
        )
        for visit in TIMETABLE
    ]
    serve(*served, limit=1)


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
