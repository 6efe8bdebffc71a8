"""A made-up session that looks like a real one, the server over it, and a headless Chromium that presses buttons."""

from __future__ import annotations

import base64
import json
import math
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from decot.live.snapshot import Publisher, Snapshot
from decot.model.sentences import sentence
from decot.model.vocabulary import NAMES, QUESTIONS

TOKEN = "a-token-for-the-tests-0123456789"
T0 = 1_767_700_000_000


def moments(n: int = 1_200) -> tuple[list[Snapshot], list[dict], list[dict]]:
    """Snapshots second by second, fills and decisions of a market that waves."""
    rng = np.random.default_rng(3)
    mid = 93_400 * np.exp(np.cumsum(rng.normal(0, 0.6e-4, n)) + 4e-4 * np.sin(np.arange(n) / 90))
    shots, fills, decisions, held, equity = [], [], [], 0, 19.0
    for t in range(n):
        wanted = int(np.sign(round(1.4 * math.cos(t / 90)))) if t % 20 == 0 else held
        told = {"flow": 2 + held, "volume": 1 + t // 40 % 3, "trend": 2 + held, "momentum": 2 + wanted,
                "pattern": t // 55 % 4, "regime": 1 + t // 300 % 4, "news": 1, "outlook": 2 + wanted, "risk": 1}  # fmt: skip
        words = [told.get(question.name, question.neutral) for question in QUESTIONS]
        if wanted != held:
            text = {lang: sentence(words, lang, wanted, held) for lang in ("en", "fr")}
            decisions.append({"t_ms": T0 + 1_000 * t, "position": held, "target": wanted, "price": mid[t],
                              "sentence_en": text["en"], "sentence_fr": text["fr"], "words": words})  # fmt: skip
            side = 1 if wanted > held else -1
            fills.append({"t_ms": T0 + 1_000 * t + 400, "client_id": f"c{t}", "side": side,
                          "qty": 0.0002 * abs(wanted - held), "price": mid[t] + side, "fee_usdt": 0.0019,
                          "is_maker": False, "trade_id": t})  # fmt: skip
            held = wanted
        equity += 0.0002 * held * (mid[t] - mid[max(0, t - 1)])
        attention = np.exp(rng.normal(0, 0.4, len(NAMES)))
        shots.append(
            Snapshot(
                time_ms=T0 + 1_000 * t, session="20260106-demo", symbol="BTC-USD", mode="paper", venue="standx-like",
                bid=mid[t] - 0.5, ask=mid[t] + 0.5, position=held, quantity=0.0002 * held, equity_usdt=equity,
                day_pnl_usdt=equity - 19, drawdown_bps=max(0.0, (19.05 - equity) / 19 * 1e4),
                sentence_en=sentence(words, "en", held, held), sentence_fr=sentence(words, "fr", held, held),
                words={name: QUESTIONS[k].en[word] for k, (name, word) in enumerate(zip(NAMES, words))},
                attention=dict(zip(NAMES, (attention / attention.sum()).tolist())),
                forecasts={"future_return_5s": 0.4e-4 * held, "future_return_10s": 0.9e-4 * held,
                           "future_signal": 0.4 * held, "future_max_dd": -0.8e-4, "target_profit": 0.2e-4},
                regime=(0.02, 0.71, 0.2, 0.05, 0.01, 0.01),
                risk={"daily_loss": (0.31, 1.5, True), "drawdown_bps": (34.0, 300.0, True),
                      "orders_per_minute": (3.0, 20.0, True), "stale_s": (0.2, 5.0, True), "chain": (0.4, 0.67, True),
                      "contradiction": (1.9, 1.5, False), "drift": (1.2, 6.4, True)},
                state="reduced" if t > n - 30 else "running",
                why="what it says of regime contradicts the columns" if t > n - 30 else "",
                latency_us={"bar": (41.0, 90.0), "read": (63.0, 160.0), "decide": (112.0, 240.0), "order": (18.0, 77.0)},
                n_bars=t, n_orders=2 * len(fills), n_fills=len(fills), fills=tuple(fills[-50:]),
            )
        )  # fmt: skip
    return shots, fills, decisions


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder in which a session has shown itself."""
    shots, fills, decisions = moments(1_200)
    publisher = Publisher(tmp_path, shots[0].session)
    for kind, lines in (("fills", fills), ("decisions", decisions)):
        for line in lines:
            publisher.note(kind, line)
    publisher.note("events", {"t_ms": T0, "state": "running", "why": "reconciled at start"})
    publisher.show(shots[0])
    return tmp_path


class Served:
    """The server on a free port of 127.0.0.1."""

    def __init__(self, app) -> None:
        import uvicorn

        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        app.state.is_over = lambda: self.server.should_exit
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        patience = time.monotonic() + 20
        while not self.server.started and time.monotonic() < patience:
            time.sleep(0.02)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def served(home):
    """(server, app) over `home`."""
    pytest.importorskip(
        "starlette", reason="the dashboard's extra is not installed: pip install 'decot[dashboard]'"
    )
    pytest.importorskip(
        "uvicorn", reason="the dashboard's extra is not installed: pip install 'decot[dashboard]'"
    )
    from decot.report.dashboard.server import build_app

    app = build_app(home, TOKEN)
    running = Served(app)
    running.token, running.moments = TOKEN, moments(1_200)[0]
    yield running, app
    running.stop()


class Browser:
    """Just enough of the DevTools protocol."""

    def __init__(self, program: str, folder: Path) -> None:
        from websockets.sync.client import connect

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
             f"--user-data-dir={folder}", "--window-size=1440,1180", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port_file, patience = folder / "DevToolsActivePort", time.monotonic() + 60
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert time.monotonic() < patience, "the browser did not start within a minute"
            assert self.process.poll() is None, "the browser ended at once"
            time.sleep(0.1)
        port = port_file.read_text().split("\n")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            page = next(one for one in json.load(answer) if one["type"] == "page")
        self.socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        self.count = 0

    def ask(self, method: str, **params) -> dict:
        """Send a command and wait for its answer; a browser that is only just there may refuse the first ones."""
        for patience in (0.2, 1.0, 5.0, 0.0):
            self.count += 1
            self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
            while (said := json.loads(self.socket.recv(timeout=60))).get("id") != self.count:
                pass
            if "error" not in said or patience == 0.0:
                break
            time.sleep(patience)
        assert "result" in said, f"{method}: {said}"
        return said["result"]

    def run(self, script: str):
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 30.0):
        """Wait until an expression is true."""
        patience = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < patience, f"never: {script}"
            time.sleep(0.1)
        return value

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def scheme(self, value: str) -> None:
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def go(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def browser(tmp_path_factory):
    """A headless Chromium, or a loud skip."""
    pytest.importorskip("websockets", reason="no websockets: the browser cannot be spoken to")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("NO BROWSER: the kill button was not pressed; install chromium to run this test")
    opened = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()
