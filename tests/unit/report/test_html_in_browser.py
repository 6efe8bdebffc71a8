"""The report in a real browser: opened, walked, switched, printed."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from decot.report.compare import page as compared_page
from decot.report.dress import DARK, LIGHT
from decot.report.html import write_report

LISTEN = """window.__said = [];
addEventListener('error', event => window.__said.push(String(event.message)));
for (const kind of ['error', 'warn']) { const was = console[kind]; console[kind] = (...all) => {
  window.__said.push(all.join(' ')); was.apply(console, all); }; }
new PerformanceObserver(list => list.getEntries().forEach(one => window.__said.push('fetched ' + one.name)))
  .observe({type: 'resource', buffered: true});"""
PAPER = "getComputedStyle(document.body).backgroundColor"


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def keep(reader, name: str) -> None:
    if "DECOT_PICTURES" in os.environ:
        reader.picture(Path(os.environ["DECOT_PICTURES"]) / f"{name}.png")


def test_a_report_is_opened_walked_switched_and_printed(reader, story, tmp_path):
    """No error, no warning, nothing fetched; a sentence leads to its row, which unfolds; light, dark and paper."""
    page = write_report(story, tmp_path / "report.html")
    reader.size(1180, 1300)
    reader.ask("Page.enable")
    reader.ask("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
    reader.scheme("light")
    reader.go(page.as_uri())
    reader.until("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 6", 60)
    assert reader.run("window.__said") == []
    assert reader.run(PAPER) == rgb(LIGHT["paper"])
    keep(reader, "report-light")

    links = reader.run("[...document.querySelectorAll('a.said')].map(one => one.getAttribute('href'))")
    assert links == [f"#row-other-day-{thought.row}" for thought in story.acts[1].thoughts]
    assert reader.run("document.querySelector('details').open") is False
    reader.run("document.querySelectorAll('a.said')[5].click()")
    reader.until("document.querySelector('details').open", 10)
    row = "document.querySelector('tr:target')"
    assert str(story.acts[1].thoughts[5].row) in reader.run(f"{row}.innerText").replace(",", "")
    reader.until(
        f"(() => {{ const r = {row}.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight; }})()"
    )
    keep(reader, "report-row")
    reader.run("document.querySelector('tr:target a').click()")
    assert reader.run("document.querySelector('tr:target').id") == "said-other-day-5550"

    reader.run("document.getElementById('theme').click()")
    assert reader.run(PAPER) == rgb(DARK["paper"])
    reader.run("scrollTo(0, 0)")
    keep(reader, "report-dark")
    reader.run("document.getElementById('theme').click()")
    assert reader.run(PAPER) == rgb(LIGHT["paper"])
    reader.scheme("dark")
    reader.go("about:blank")
    reader.go(page.as_uri())
    reader.until(f"document.readyState === 'complete' && {PAPER} === '{rgb(DARK['paper'])}'", 30)

    printed = base64.b64decode(reader.ask("Page.printToPDF", printBackground=True)["data"])
    assert printed.startswith(b"%PDF")
    reader.ask(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    assert reader.run(PAPER) == rgb(LIGHT["paper"])
    assert reader.run("getComputedStyle(document.getElementById('theme')).display") == "none"
    keep(reader, "report-print")
    if "DECOT_PICTURES" in os.environ:
        (Path(os.environ["DECOT_PICTURES"]) / "report.pdf").write_bytes(printed)
    assert reader.run("window.__said") == []


def test_two_runs_side_by_side_are_opened(reader, tmp_path):
    """The page of `decot compare`: no error, both accounts drawn."""
    head = {"run": "a", "verdict": "promoted", "rules_held": 2, "rules": 2, "report": ""}
    rows = [{"what": "lstm_units", "left": 16, "right": 32, "differs": True}]
    curve = {"t_ms": [1_000, 2_000], "equity_usdt": [19.0, 19.5]}
    rule = {
        "what": "net_profit",
        "left": 1.0,
        "left_held": True,
        "right": -1.0,
        "right_held": False,
        "bound": 0,
    }
    found = {
        "runs": [head, {**head, "run": "b", "verdict": "refused", "rules_held": 1}],
        "data": [], "choices": [], "genome": rows, "params": rows,
        "rules": [{**rule, "differs": True}],
        "curves": [{"stretch": "other day", "accounts": [{"run": "a", **curve}, {"run": "b", **curve}]}],
    }  # fmt: skip
    file = tmp_path / "compared.html"
    file.write_text(compared_page(found))
    reader.size(1180, 1300)
    reader.ask("Page.enable")
    reader.ask("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
    reader.scheme("light")
    reader.go(file.as_uri())
    reader.until("document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length === 2", 60)
    assert reader.run("window.__said") == []
    assert reader.run("document.querySelectorAll('.verdict').length") == 2
    keep(reader, "compared")
