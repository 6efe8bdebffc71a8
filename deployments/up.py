"""One machine, everything up: Prefect's server, the deployments, a worker, the dashboard and the reports, until Ctrl-C."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from decot import clock
from decot.errors import ConfigError, VenueUnavailable
from tasks.environment import NOTE, api_of, prepare

_PATIENCE_S = 300.0
_ROUND_S = 1.0
_MOST_STARTS = 4


@dataclass(slots=True)
class Child:
    """A process that shall be there as long as we are; whatever it says goes into its log."""

    name: str
    words: list[str]
    log: Path
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    _output: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin it in a process group of its own, so that Ctrl-C reaches us first."""
        self.starts += 1
        if self._output is None:
            self._output = self.log.open("ab")
        self.process = subprocess.Popen(
            self.words, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self, patience_s: float = 20.0) -> None:
        """SIGTERM to the group, and SIGKILL to what is left of it."""
        if self.process is not None and self.is_alive:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self._output is not None:
            self._output.close()
            self._output = None


def up(
    home: Path,
    port: int = 4200,
    *,
    dashboard_port: int = 8798,
    reports_port: int = 8797,
    limit: int = 1,
    active: bool = False,
    on_ready: Callable[[dict[str, Any]], None] = lambda known: None,
) -> None:
    """Everything on 127.0.0.1, and whatever dies is started again, a few times.

    Args:
        home: where runs, logs and Prefect's own database are kept.
        port: of the Prefect server and its UI.
        dashboard_port: of the page that watches sessions; 0 for none.
        reports_port: of the pages that runs have left, where artifacts point; 0 for none.
        limit: runs that may go at once.
        active: schedules that are new begin switched on.
        on_ready: told once, when everything is there, what is there.
    Raises:
        VenueUnavailable: the server did not answer in time, or ended; its log is named.
        ConfigError: this home is up already, or a port is taken.
    """
    os.environ["PREFECT_LOGGING_LEVEL"] = os.environ.get("PREFECT_LOGGING_LEVEL", "INFO")
    note, logs = home / NOTE, home / "logs"
    if note.is_file() and (url := api_of(note)):
        raise ConfigError(
            [f"{home} is up already, at {url}; end that one (Ctrl-C there), or give another --home"]
        )
    ports = {"--port": port, "--dashboard-port": dashboard_port, "--reports-port": reports_port}
    if taken := {option: one for option, one in ports.items() if one and not _is_free(one)}:
        raise ConfigError(
            [
                f"port {one} of 127.0.0.1 is taken; see who has it, or give another: decot up {option} N"
                for option, one in taken.items()
            ]
        )
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    prepare(home)
    logs.mkdir(parents=True, exist_ok=True)
    server, others = _family(logs, port, limit)
    pages = _pages(logs, home, {"dashboard": dashboard_port, "reports": reports_port})
    others += pages.values()
    reports = f"http://127.0.0.1:{reports_port}" if "reports" in pages else ""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        server.start()
        _wait_for(server, port)
        _say(f"Prefect      http://127.0.0.1:{port}")
        known = _registered(home, limit, active)
        for child in others:
            child.start()
        note.write_text(
            json.dumps({"api": os.environ["PREFECT_API_URL"], "pid": os.getpid(), "reports": reports})
        )
        _say(f"deployments  {len(known['deployments'])}, worker of pool {known['pool']} with {limit} at once")
        if "dashboard" in pages:
            _say(f"dashboard    {_door(home, dashboard_port)}")
        if reports:
            _say(f"reports      {reports}")
        _say(f"logs         {logs}   (Ctrl-C ends it)")
        told = {"ui": f"http://127.0.0.1:{port}", "reports": reports, "logs": str(logs.resolve())}
        on_ready({**known, **told})
        _watch(server, others)
    finally:
        note.unlink(missing_ok=True)
        for child in (*reversed(others), server):
            child.end()


def _is_free(port: int) -> bool:
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _family(logs: Path, port: int, limit: int) -> tuple[Child, list[Child]]:
    """The server, and who works for it."""
    from deployments.register import POOL

    prefect = [sys.executable, "-m", "prefect"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    server = Child("server", [*prefect, "server", "start", *where], logs / "prefect-server.log")
    # one more than the pool allows: an approval that waits for a person sits in a slot of the worker, not of the pool
    which = ["--pool", POOL, "--type", "process", "--limit", str(limit + 1), "--name", "decot up"]
    return server, [Child("worker", [*prefect, "worker", "start", *which], logs / "worker.log")]


def _pages(logs: Path, home: Path, ports: dict[str, int]) -> dict[str, Child]:
    """The servers of our own pages, by their command; none without the packages they need."""
    if not all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn")):
        return {}
    decot = [sys.executable, "-m", "decot"]
    return {
        name: Child(
            name,
            [*decot, name, "--home", str(home), "--port", str(port), "--quiet"],
            logs / f"{name}.log",
        )
        for name, port in ports.items()
        if port
    }


def _registered(home: Path, limit: int, active: bool) -> dict[str, Any]:
    from deployments.register import register

    return register(home, limit=limit, active=active)


def _door(home: Path, port: int) -> str:
    from decot.report.dashboard.door import token_of

    return f"http://127.0.0.1:{port}/?token={token_of(home)}"


def _wait_for(server: Child, port: int) -> None:
    begun = clock.stopwatch()
    _say("starting Prefect's server (up to a minute the first time)")
    while clock.stopwatch() - begun < _PATIENCE_S:
        if not server.is_alive:
            raise VenueUnavailable(
                f"the Prefect server ended at once; is port {port} taken? Its log: {server.log}"
            )
        if answers(os.environ["PREFECT_API_URL"]):
            return
        _rest(server, 0.5)
    raise VenueUnavailable(
        f"the Prefect server did not answer within {_PATIENCE_S:.0f} s; its log: {server.log}"
    )


def answers(api: str) -> bool:
    """Whether a Prefect server is there."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _watch(server: Child, others: list[Child]) -> None:
    while True:
        if not server.is_alive:
            raise VenueUnavailable(f"the Prefect server ended; its log: {server.log}")
        for child in others:
            if child.is_alive:
                continue
            if child.starts >= _MOST_STARTS:
                raise VenueUnavailable(f"the {child.name} ended {child.starts} times; its log: {child.log}")
            _say(f"the {child.name} has ended and is started again; its log: {child.log}")
            child.start()
        _rest(server, _ROUND_S)


def _rest(server: Child, seconds: float) -> None:
    """A pause that the server's end cuts short."""
    try:
        if server.process is not None:
            server.process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def _as_interrupt(number: int, frame: object) -> None:
    """A supervisor's SIGTERM ends the house as Ctrl-C does."""
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def deploy(home: Path, *, pool: str, limit: int, active: bool) -> dict[str, Any]:
    """Write the timetable into the server that PREFECT_API_URL names, or that `decot up` has started for this home.

    Raises:
        ConfigError: neither is there.
        VenueUnavailable: the server does not answer.
    """
    os.environ["PREFECT_LOGGING_LEVEL"] = os.environ.get("PREFECT_LOGGING_LEVEL", "CRITICAL")
    prepare(home)
    api = os.environ.get("PREFECT_API_URL", "")
    if not api:
        raise ConfigError(
            ["no Prefect server: set PREFECT_API_URL to its …/api address, or start one here: decot up"]
        )
    if not answers(api):
        raise VenueUnavailable(
            f"no Prefect server answers at {api}; is it up, and does the address end in /api?"
        )
    from deployments.register import register

    return register(home, limit=limit, active=active, pool=pool)
