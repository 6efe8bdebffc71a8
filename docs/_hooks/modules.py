"""One page per room of the house and one per module, for mkdocstrings to fill. Knows files and their first sentence."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

ROOMS = {
    "schemas": "what a table is",
    "decot.data": "in",
    "decot.features": "see",
    "decot.context": "read",
    "decot.market": "happen",
    "decot.model": "think",
    "decot.evolve": "breed",
    "decot.rl": "learn",
    "decot.gate": "judge",
    "decot.live": "act",
    "decot.experiment": "where rooms meet",
    "decot.report": "how it is told",
}
"""room → its word in the drawing of the house"""


@cache
def found() -> dict[str, list[tuple[str, str]]]:
    """Room → [(module, first sentence of its docstring)]; modules with a leading underscore stay inside."""
    whole = {}
    for room in ROOMS:
        folder = ROOT / room.replace(".", "/")
        files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
        whole[room] = [(f"{room}.{path.stem}", _first(path)) for path in files]
    whole["decot.errors and decot.clock"] = [
        (f"decot.{name}", _first(ROOT / f"decot/{name}.py")) for name in ("errors", "clock")
    ]
    return whole


def nav() -> list[Any]:
    """The part of the navigation with all modules."""
    listed: list[Any] = ["reference/index.md"]
    for room, modules in found().items():
        listed.append({room: [{name.rsplit(".", 1)[-1]: f"reference/{name}.md"} for name, _ in modules]})
    return listed


def pages() -> dict[str, str]:
    """Every page of the reference."""
    whole = {"reference/index.md": _index()}
    for modules in found().values():
        for name, _ in modules:
            whole[f"reference/{name}.md"] = f"---\ntitle: {name}\nsearch:\n  boost: 0.2\n---\n\n::: {name}\n"
    return whole


def _index() -> str:
    said = [
        "# Modules",
        "Made from the docstrings. A name that is not here begins with an underscore and may change without a word.",
    ]
    for room, modules in found().items():
        word = f": {ROOMS[room]}" if room in ROOMS else ""
        rows = "\n".join(f"| [`{name.rsplit('.', 1)[-1]}`]({name}.md) | {told} |" for name, told in modules)
        said.append(f"## {room}{word}\n\n| module | |\n|-|-|\n{rows}")
    return "\n\n".join(said) + "\n"


def _first(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return (
        text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|").replace("[", "\\[").replace("<", "\\<")
    )
