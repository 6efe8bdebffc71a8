"""A story with sentences, and the headless Chromium of the dashboard's tests to read it with."""

from __future__ import annotations

import importlib.util
import math
import shutil
import sys
from pathlib import Path

import pytest

from decot.report.story import Act, Curve, Story, Thought

T0 = 1_767_700_000_000


def told(n: int = 900) -> Story:
    """A run of two stretches; the second one traded eight times."""
    t_ms = [T0 + 1_000 * i for i in range(n)]
    price = [93_400 + 40 * math.sin(i / 60) for i in range(n)]
    thoughts = [
        Thought(
            t_ms=t_ms[i],
            row=5_000 + i,
            price=price[i],
            action=("buy", "sell", "close")[k % 3],
            sentence=f"Buyers lean in on ordinary volume; I expect a rise: I am flat and go long ({k}).",
            sentence_fr=f"Les acheteurs poussent ; j'attends une hausse ({k}).",
            pnl_bps=None if k % 2 else 12.5 - k,
            seen={"close": price[i], "order_imbalance": 0.2, "ofi": -3.0, "ret_10": 1.5},
        )
        for k, i in enumerate(range(50, 850, 100))
    ]

    def act(name: str, said: list[Thought]) -> Act:
        equity = [19 + 0.3 * math.sin(i / 200) + i / n for i in range(n)]
        held = [19 + 0.2 * math.cos(i / 100) for i in range(n)]
        return Act(
            name=name,
            price=Curve(name="mid", t_ms=t_ms, value=price),
            equity=Curve(name="agent", t_ms=t_ms, value=equity),
            position=[0] * n,
            thoughts=said,
            baselines=[
                Curve(name="buy and hold", t_ms=t_ms, value=held),
                Curve(name="least squares", t_ms=t_ms, value=[19.1] * n),
            ],
        )

    return Story(
        run_id="20260106-120000-demo",
        title="demo on the embedded planted-edge world",
        verdict="refused",
        lead="Trades are too few: 8 of the 30 that would tell.",
        gate_html="<table><tr><th>rule</th><th>figure</th></tr><tr><td>trades</td><td class='n'>8</td></tr></table>",
        acts=[act("validation", []), act("other day", thoughts)],
        front=[
            {"label": "a", "profit": 1.0, "explanation": 0.5, "is_front": True},
            {"label": "b", "profit": 0.4, "explanation": 0.4, "is_front": False},
        ],
        heads=[{"name": "exit", "alive": True}],
        words=[{"name": "re-parsed", "value": 1.0}],
        seeds=[{"seed": 7, "validation_bps": 12.0}],
        tables=[{"name": "features", "rows": n}],
        facts={"seed": "7"},
        caveats=["The market of this run is made up."],
        command="decot run --profile demo",
    )


@pytest.fixture
def story() -> Story:
    return told()


@pytest.fixture
def reader(tmp_path_factory):
    """A headless Chromium, or a loud skip."""
    pytest.importorskip("websockets", reason="no websockets: the browser cannot be spoken to")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("NO BROWSER: the report was not opened; install chromium to run this test")
    file = Path(__file__).with_name("dashboard") / "conftest.py"
    spec = importlib.util.spec_from_file_location("dashboard_browser_of_reports", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    opened = module.Browser(program, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()
