"""What runs have left, to be read in a browser: reports, gate cards, regimes, searches, data checks. Knows files, no run.

    GET  /                      everything there is to read, newest first
    GET  /runs/RUN/report.html  and every other page of the shelves, by its path below the home

Read-only, without a token, on 127.0.0.1 only, like the Prefect server whose artifacts point here. Two lists say what may
leave the home: these folders, these endings. A key, a table, a ledger or a setting is on neither; a link that leads out of
its folder is not followed. The pages may run what they bring along and fetch nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from decot import clock
from decot.report.dashboard.door import HEADERS, Door
from decot.report.dress import SCRIPT, STYLE

FOLDERS = ("runs", "gate", "contexts", "tracking", "compared", "data-docs")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src data:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SHELVES = (
    ("Gate cards", "gate/*/*.html", "what the gate said of an artefact, one card a question"),
    ("Searches", "tracking/*/view.html", "made by `decot track view`"),
    ("Compared", "compared/*.html", "made by `decot compare RUN RUN`"),
    ("Regimes", "contexts/*/regimes.html", "price by regime, transitions, dwell times"),
    ("Data checks", "data-docs/*/gx/uncommitted/data_docs/local_site/index.html", "Great Expectations' pages, one a day"),
)  # fmt: skip
_MOST = 100
_KIND = {"promoted": "good", "refused": "bad", "insufficient_evidence": "wait"}
_LOOKS = """
td .good{color:var(--good)}td .bad{color:var(--bad)}td .wait{color:var(--wait)}td b{font-weight:650}
td:first-child{white-space:nowrap;color:var(--soft);width:11.5rem}
h2 .soft{font-weight:400;font-size:.86rem;margin-left:.6em}
.empty{background:var(--card);border-radius:6px;padding:14px 18px}
"""


_CHECKS = """
:root{color-scheme:light dark}body{margin:0 auto!important;max-width:1080px;padding:10px 20px 60px;
font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;background:Canvas;color:CanvasText}
table{border-collapse:collapse;margin:.4em 0 1.2em}
td,th{padding:4px 12px 4px 0;border-bottom:1px solid #8884}th{text-align:left}
h4,h5,h6{font-size:1rem;margin:1.4em 0 .3em}nav.navbar{height:auto!important}ol,nav ul{padding-left:1.2em}
.navbar-brand,footer,input[type=radio],input[type=radio]+label,label:has(input[type=radio])
{display:none!important}a{color:LinkText}
"""
"""for pages of Great Expectations, whose own style sheet lies elsewhere"""


def build_app(home: Path) -> Starlette:
    """The application over one home."""

    async def front(request: Request) -> Response:
        return HTMLResponse(index(home), headers=_dressed())

    async def page(request: Request) -> Response:
        file = on_shelf(home, request.path_params["path"])
        if file is None:
            return PlainTextResponse("there is nothing to read here; / lists what there is\n", 404, HEADERS)
        if file.suffix == ".html" and file.relative_to(home.resolve()).parts[0] == "data-docs":
            return HTMLResponse(checks_page(home, file), headers=_dressed())
        return FileResponse(file, media_type=KINDS[file.suffix], headers=_dressed())

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=HEADERS)

    routes = [Route("/", front), Route("/healthz", health), Route("/{path:path}", page)]
    return Starlette(routes=routes, middleware=[Middleware(Door)])


def on_shelf(home: Path, path: str) -> Path | None:
    """The file that a path below the home names, if it may be read; None otherwise, whatever the reason."""
    parts = path.split("/")
    if parts[0] not in FOLDERS or any(
        part in ("", "..") or part.startswith(".") or "\0" in part for part in parts
    ):
        return None
    shelf = (home / parts[0]).resolve()
    try:
        file = home.joinpath(*parts).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return file if file.is_relative_to(shelf) and file.is_file() and file.suffix in KINDS else None


def index(home: Path) -> str:
    """Everything that can be read, as a page."""
    runs = sorted(_runs(home), key=lambda row: str(row["name"]), reverse=True)
    body = [f"<h1>What runs have left</h1><p class=soft>in {escape(str(home.resolve()))}</p><h2>Runs</h2>"]
    if runs:
        body.append(_run_table(runs[:_MOST]) + _more(len(runs)))
    else:
        body.append(
            '<p class="empty">No run has ended here yet. Begin one: <code>decot run --profile demo</code></p>'
        )
    for title, pattern, why in _SHELVES:
        files = sorted(home.glob(pattern), key=lambda file: file.stat().st_mtime, reverse=True)
        if files:
            body.append(
                f"<h2>{title}<span class=soft>{_code(why)}</span></h2>{_file_table(home, files[:_MOST])}{_more(len(files))}"
            )
    return _whole("What runs have left", "".join(body))


def checks_page(home: Path, file: Path) -> str:
    """A page of Great Expectations. Its looks and its list of results come from elsewhere, and here nothing is fetched: the
    list is ours, the looks are plain.
    """
    if file.name == "index.html":
        found = sorted(
            file.parent.glob("validations/*/*/*/*.html"), key=lambda one: one.stat().st_mtime, reverse=True
        )
        rows = _file_table(
            home.resolve(), found, lambda one: one.stem.removeprefix("decot-").replace("--", ", ")
        )
        day = file.relative_to(home.resolve()).parts[1]
        return _whole(
            f"What was checked on {day}", f'<h1>What was checked</h1><p class="soft">{escape(day)}</p>{rows}'
        )
    return file.read_text(encoding="utf-8").replace("</head>", f"<style>{_CHECKS}</style></head>", 1)


def _whole(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,'
        f'initial-scale=1"><title>{escape(title)}</title><style>{STYLE}{_LOOKS}</style></head><body>'
        f'<button id="theme" type="button" aria-label="light or dark">light / dark</button><main>{body}</main>'
        f"<script>{SCRIPT}</script></body></html>"
    )


def _runs(home: Path) -> Iterator[dict[str, Any]]:
    """Finished runs; one whose outcome cannot be read is listed without its figures."""
    for report in home.glob("runs/*/report.html"):
        name, row = report.parent.name, {"name": report.parent.name, "verdict": "", "rules": [], "trade": {}}
        try:
            told = json.loads((report.parent / "run.json").read_text(encoding="utf-8"))
            row |= {
                "verdict": told["gate"]["verdict"],
                "rules": told["gate"]["rules"],
                "trade": told["trade"] or {},
            }
        except (OSError, ValueError, KeyError, TypeError):
            row["verdict"] = ""
        yield {**row, "name": name}


def _run_table(runs: list[dict[str, Any]]) -> str:
    lines = []
    for run in runs:
        said, kind = run["verdict"].replace("_", " ") or "unknown", _KIND.get(run["verdict"], "")
        held = sum(bool(rule.get("passed")) for rule in run["rules"])
        net, page = run["trade"].get("net_bps"), f"runs/{run['name']}/report.html"
        lines.append(
            f"<tr><td>{_when(run['name'])}</td><td>{_link(page, run['name'])}</td>"
            f'<td><b class="{kind}">{escape(said)}</b></td><td class=n>{held} of {len(run["rules"])}</td>'
            f"<td class=n>{'' if net is None else f'{net:+,.1f}'}</td></tr>"
        )
    head = "<th>ended, UTC</th><th>report</th><th>verdict</th><th class=n>rules that hold</th><th class=n>on paper, bps</th>"
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _file_table(home: Path, files: list[Path], named: Callable[[Path], str] | None = None) -> str:
    lines = []
    for file in files:
        path = file.relative_to(home).as_posix()
        plain = path.split("/")[1].removesuffix(".html") + (
            f" · {file.stem}" if file.stem not in _DULL else ""
        )
        when = clock.iso(int(file.stat().st_mtime * 1_000))[:16].replace("T", " ")
        lines.append(f"<tr><td>{when}</td><td>{_link(path, named(file) if named else plain)}</td></tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


_DULL = frozenset({"card", "view", "regimes", "index"})
"""file names that say nothing beside the name of their folder"""


def _link(path: str, said: str) -> str:
    return f'<a href="/{quote(path)}">{escape(said)}</a>'


def _when(run: str) -> str:
    """The time in a run's name, as people write it."""
    read = re.match(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)", run)
    return f"{read[1]}-{read[2]}-{read[3]} {read[4]}:{read[5]}" if read else ""


def _code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _more(n: int) -> str:
    return f"<p class=soft>and {n - _MOST} older</p>" if n > _MOST else ""


def _dressed() -> dict[str, str]:
    return {**HEADERS, "Content-Security-Policy": _POLICY}
