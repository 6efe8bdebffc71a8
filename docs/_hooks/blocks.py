"""The code blocks of a page, and what becomes of each: run, run slowly, only read, or not tried. Knows Markdown only.

    ```bash                      run by `make test`, in an empty folder shared by the page
    ```bash {.slow}              run by `pytest -m slow tests/unit/docs`
    ```bash {.listing}           not run; every command and option in it must exist
    ```bash {.untried why="…"}   not run, and the reader is told why
    ```text                      right below a block that ran: what it printed; … stands for anything
    ```                          commands: as a listing; anything else: as text
    ```console                   both in one: lines with `$ ` are run, the others are what was printed

Pages that say nothing about their blocks (README, and pages written before this file) are described in `told.toml`.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

SHELL = ("bash", "sh", "console")
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})[ ]*(?P<info>[^`\n]*)$")
INFO = re.compile(r"^(?P<lang>[\w+-]*)[ ]*(?:\{(?P<attrs>.*)\})?$")
BENCHMARK = re.compile(r"(\$ )?(\w+=\S+ )*python -m benchmarks")
PROGRAM = re.compile(r"(\w+=\S+ )*(decot|make|python|pip|docker|prefect|git) ")
WHY = re.compile(r'why="([^"]*)"')

TRIED = "run by `make test`"
NOTES = {
    "slow": "Takes longer; run as it stands by `pytest -m slow tests/unit/docs`.",
    "listing": "Not run as it stands; `make test` compares every decot command and option in it with the program.",
}


@dataclass
class Block:
    """One fence of a page."""

    page: str
    line: int
    """of the fence, from 1"""
    lang: str
    how: str
    """run, slow, listing, untried, or text for whatever is no command"""
    why: str
    code: str
    end: int
    expected: str | None = None
    classes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    def note(self) -> str:
        """What the reader is told below the block; empty when it is simply run."""
        if self.how == "untried":
            return f"Not run by our tests: {self.why}"
        return NOTES.get(self.how, "")


def told() -> dict[str, list[dict[str, str]]]:
    """What is said of blocks elsewhere: page → a list of {begins, how, why}."""
    return tomllib.loads((HERE / "told.toml").read_text())


def blocks(page: str, text: str) -> list[Block]:
    """Every fence of `text`, in order; `page` is its path below the repository's root."""
    elsewhere = told().get(page, [])
    found: list[Block] = []
    lines, k = text.split("\n"), 0
    while k < len(lines):
        opened = FENCE.match(lines[k])
        if not opened:
            k += 1
            continue
        end = k + 1
        while end < len(lines) and lines[end].strip() != opened["fence"]:
            end += 1
        inner = [line.removeprefix(opened["indent"]) for line in lines[k + 1 : end]]
        found.append(_block(page, k, end, opened["info"].strip(), "\n".join(inner), elsewhere))
        k = end + 1
    for before, after in itertools.pairwise(found):
        if before.lang in SHELL and after.lang == "text" and before.end + 2 >= after.line - 1:
            before.expected = after.code
    return found


def _block(page: str, start: int, end: int, info: str, code: str, elsewhere: list[dict[str, str]]) -> Block:
    read = INFO.match(info)
    if read is None:
        raise ValueError(f"{page}:{start + 1}: cannot read the fence {info!r}")
    attrs = read["attrs"] or ""
    classes = tuple(re.findall(r"\.([\w-]+)", WHY.sub("", attrs)))
    why = (WHY.search(attrs) or [None, ""])[1]
    lang = read["lang"]
    how = next((word for word in ("slow", "listing", "untried") if word in classes), "")
    for one in elsewhere:
        if code.lstrip().startswith(one["begins"]):
            lang, how, why = one.get("lang", "bash"), one["how"], one.get("why", "")
    if not how and BENCHMARK.match(code.lstrip()):
        lang, how, why = (
            lang or "bash",
            "untried",
            "a benchmark measures for minutes and wants a quiet machine.",
        )
    if not lang:  # a page that says nothing: commands are listed, never run
        lang, how = ("bash", "listing") if PROGRAM.match(code.lstrip()) else ("text", "text")
    if not how:
        how = "run" if lang in (*SHELL, "python") else "text"
    return Block(page, start + 1, lang, how, why, code, end, classes=classes)


def commands(block: Block) -> list[tuple[str, str]]:
    """What a console block runs, each with what it printed: [(command, output)]."""
    found: list[tuple[str, str]] = []
    for line in block.code.split("\n"):
        prompt = re.match(r"^[\w ]*\$ (.*)$", line)
        if prompt:
            found.append((prompt[1], ""))
        elif found and line.startswith("> ") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
        elif found:
            command, output = found[-1]
            found[-1] = (command, f"{output}{line}\n")
    return found


def pages() -> list[Path]:
    """Every page whose blocks are held to account: the READMEs, CONTRIBUTING, and all of docs/."""
    top = [
        ROOT / name for name in ("README.md", "README.fr.md", "CONTRIBUTING.md") if (ROOT / name).is_file()
    ]
    return top + sorted((ROOT / "docs").rglob("*.md"))


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [
        block for path in pages() for block in blocks(path.relative_to(ROOT).as_posix(), path.read_text())
    ]
