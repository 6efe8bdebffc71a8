"""What mkdocs asks while it builds: pages made from the program itself, links out of docs/, a word below every block.

Knows pages; the three kinds of made pages are in `commands.py`, `columns.py` and `modules.py`.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import blocks
import columns
import commands
import modules

ROOT = blocks.ROOT
HOUSE = {
    "about/architecture.md": "ARCHITECTURE.md",
    "about/contributing.md": "CONTRIBUTING.md",
    "about/changelog.md": "CHANGELOG.md",
}
"""pages of the site that are files of the repository's root"""
DRAWING = re.compile(r"<figure class=\"house\" markdown>\n!\[([^\]]*)\]\(([^)]*\.svg)\)\n</figure>")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """The parts of the navigation that are made: commands, modules, model cards, decisions."""
    docs = Path(config["docs_dir"])
    made = {
        "commands": ["commands/index.md", *(f"commands/{name}.md" for name in commands.names())],
        "reference": modules.nav(),
        "models": _listed(docs, "models"),
        "decisions": _listed(docs, "decisions"),
    }
    config["nav"] = [_filled(item, made) for item in config["nav"]]
    known = set(_named(config["nav"]))
    pages = [
        path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*.md")) if "_hooks" not in path.parts
    ]
    more: list[Any] = [page for page in pages if page not in known]
    for section in config["nav"]:
        if isinstance(section, dict) and "Figures" in section:
            section["Figures"] += more
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the made pages."""
    pages = {f"commands/{name}.md": commands.page(name) for name in commands.names()}
    pages["commands/index.md"] = commands.index()
    pages["columns.md"] = columns.page()
    pages |= modules.pages()
    pages |= {made: (ROOT / name).read_text() for made, name in HOUSE.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Say below each block whether it was tried; turn links that leave docs/ into words."""
    uri = page.file.src_uri
    drawn = DRAWING.sub(lambda found: _drawn(found[2], uri), markdown)
    return _linked(_noted(drawn, HOUSE.get(uri, f"docs/{uri}")), uri, files)


def _listed(docs: Path, folder: str) -> list[str]:
    found = sorted(path.name for path in (docs / folder).glob("*.md"))
    found.sort(key=lambda name: name not in ("index.md", "README.md"))
    return [f"{folder}/{name}" for name in found]


def _filled(item: Any, made: dict[str, list[Any]]) -> Any:
    if isinstance(item, dict):
        return {key: _filled(value, made) for key, value in item.items()}
    if isinstance(item, list):
        return [_filled(value, made) for value in item]
    return made.get(item, item)


def _drawn(target: str, uri: str) -> str:
    """A drawing inside the page, so that it takes the page's colours; its own are for who opens the file alone."""
    file = ROOT / "docs" / posixpath.normpath(posixpath.join(posixpath.dirname(uri), target))
    text = re.sub(r"<style>.*?</style>\n?", "", file.read_text(), flags=re.S)
    return f'<figure class="house">{text.strip()}</figure>'


def _named(item: Any) -> list[str]:
    if isinstance(item, dict):
        return _named(list(item.values()))
    return [name for one in item for name in _named(one)] if isinstance(item, list) else [item]


def _noted(markdown: str, source: str) -> str:
    lines = markdown.split("\n")
    for block in reversed(blocks.blocks(source, markdown)):
        if not FENCED.match(lines[block.line - 1]):
            lines[block.line - 1] = re.sub(r"(`{3,}).*$", rf"\1{block.lang}", lines[block.line - 1])
        if note := block.note():
            indent = re.match(" *", lines[block.end])[0]  # type: ignore[index]
            lines[block.end + 1 : block.end + 1] = ["", f"{indent}*{note}*{{.note}}", ""]
    return "\n".join(lines)


FENCED = re.compile(r"^ *`{3,}\w")


def _linked(markdown: str, uri: str, files: Files) -> str:
    """Links to files of the repository that are no page: to the page made of them, or the bare name."""
    from_root = {name: made for made, name in HOUSE.items()}
    here = posixpath.dirname(uri)
    start = "" if uri in HOUSE else "docs"

    def place(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        whole = posixpath.normpath(posixpath.join(start, here if start else "", target))
        inside = whole.removeprefix("docs/")
        if whole in from_root:
            return f"[{words}]({posixpath.relpath(from_root[whole], here or '.')}{anchor})"
        if whole.startswith("docs/"):
            if (ROOT / whole).is_dir():
                index = next(
                    (f"{inside}/{n}" for n in ("README.md", "index.md") if (ROOT / whole / n).is_file()), ""
                )
                pages = sorted((ROOT / whole).glob("*.md"))
                index = index or (f"{inside}/{pages[0].name}" if pages else "")
                return f"[{words}]({posixpath.relpath(index, here or '.')})" if index else words
            if files.get_file_from_path(inside):
                return f"[{words}]({posixpath.relpath(inside, here or '.')}{anchor})"
            return found[0]
        return words if (ROOT / whole).exists() else found[0]

    parts = re.split(r"(^ *`{3,}[\s\S]*?^ *`{3,} *$)", markdown, flags=re.M)
    return "".join(part if k % 2 else LINK.sub(place, part) for k, part in enumerate(parts))
