"""A whole house as `decot up` brings it up, on free ports of 127.0.0.1, once for all tests of this folder."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

TINY = 'clock_ms = 1000\ntext_stand_in = true\n[world]\ndays = 2\nseconds_per_day = 5400\n[market]\nvenue = "demo"\n'


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@dataclass
class House:
    """What `decot up` said it started, and a way to ask its server."""

    home: Path
    port: int
    told: dict[str, Any]
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the Prefect API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.told['api']}{path}",
            method=method,
            data=data,
            headers={"content-type": "application/json"},
        )
        for wait in (1, 2, 4, 8, 0):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as busy:  # SQLite is written by somebody else: ask again
                if busy.code != 503 or not wait:
                    raise
                time.sleep(wait)

    def deployment(self, flow: str, name: str) -> dict[str, Any]:
        return self.ask("GET", f"/deployments/name/{quote(flow)}/{quote(name)}")

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        return self.ask(
            "POST", "/flow_runs/filter", {"flow_runs": {"deployment_id": {"any_": [deployment]}}, "sort": "START_TIME_ASC"}
        )  # fmt: skip

    def until(self, asked: Any, seconds: float, what: str) -> Any:
        """Ask again until the answer is true."""
        patience = time.monotonic() + seconds
        while not (found := asked()):
            assert time.monotonic() < patience, f"never within {seconds:g} s: {what}\n{self.said()}"
            time.sleep(0.5)
        return found

    def said(self) -> str:
        """The last words of every log."""
        return "\n".join(
            f"{log.name}: …{log.read_text()[-1500:]}" for log in (self.home / "logs").glob("*.log")
        )


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory):
    """`decot up --json` as a process; ended with SIGTERM, as a supervisor would."""
    pytest.importorskip("prefect", reason="the extra is not installed: pip install 'decot[flows]'")
    home, port = tmp_path_factory.mktemp("house"), free_port()
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "decot", "up", "--home", str(home), "--port", str(port), "--dashboard-port", "0",
         "--reports-port", str(free_port()), "--json"],
        stdout=subprocess.PIPE,
        stderr=(home / "up.err").open("w"),
        text=True,
        env={**quiet, "DO_NOT_TRACK": "1"},
        cwd=home,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line, (home / "up.err").read_text()
    tiny = home / "tiny.toml"
    tiny.write_text(TINY)
    yield House(home, port, json.loads(line), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130, (home / "up.err").read_text()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """The same headless Chromium that presses the dashboard's buttons, or a loud skip."""
    pytest.importorskip("websockets", reason="no websockets: the browser cannot be spoken to")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("NO BROWSER: nobody pressed Run in the Prefect UI; install chromium to run this test")
    opened = browser_class()(program, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


def browser_class():
    """The dashboard's tests speak DevTools already."""
    file = Path(__file__).resolve().parents[1] / "report" / "dashboard" / "conftest.py"
    spec = importlib.util.spec_from_file_location("dashboard_browser", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Browser
