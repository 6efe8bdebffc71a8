"""Every code block of README and docs is run, or says why not; what it prints is what the page says it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import blocks
import pytest
import yaml

ROOT = blocks.ROOT
MARK = "\x1e"
COPIED = (
    "decot",
    "schemas",
    "tasks",
    "flows",
    "deployments",
    "benchmarks",
    "tests",
    "docs",
    "pyproject.toml",
    "Makefile",
)
"""what a reader's checkout holds, for pages that change the code"""


BEGINS = "<!-- begins with: a finished demo -->"
"""what a page says whose first block finds the demo's home"""


def by_page(*hows: str) -> dict[str, list[blocks.Block]]:
    """Pages with a block of one of these kinds, and their shell, python and diff blocks in order."""
    found: dict[str, list[blocks.Block]] = {}
    for block in blocks.all_blocks():
        if block.lang in (*blocks.SHELL, "python", "diff"):
            found.setdefault(block.page, []).append(block)
    return {page: told for page, told in found.items() if any(block.how in hows for block in told)}


QUICK = dict(by_page("run").items())
SLOW = by_page("slow")


def step(block: blocks.Block, folder: Path, k: int) -> list[tuple[str, str | None]]:
    """The shell lines of one block, each with what it is expected to print (None: nobody says)."""
    if block.lang == "diff":
        file = folder / f"{k}.diff"
        file.write_text(block.code + "\n")
        return [(f"patch -p1 --quiet --no-backup-if-mismatch < {file}", None)]
    if block.lang == "python":
        file = folder / f"{k}.py"
        file.write_text(block.code + "\n")
        return [(f"{sys.executable} {file}", block.expected)]
    if block.lang == "console":
        return [(command, output or None) for command, output in blocks.commands(block)]
    return [(block.code, block.expected)]


def play(
    told: list[blocks.Block], tmp_path: Path, slow: bool, timeout: float, home: Path | None = None
) -> None:
    """Run a page from top to bottom in an empty folder (or a checkout, when it changes code) and compare."""
    work, bare = tmp_path / "work", tmp_path / "steps"
    bare.mkdir()
    work.mkdir()
    if home is not None:
        shutil.copytree(home, work / ".decot")
    in_tree = any(block.lang == "diff" for block in told)
    if in_tree:
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, work / name)
    script, wanted = ["set -euo pipefail"], []
    for block in told:
        if block.how not in ("run", "text", *(("slow",) if slow else ())):
            continue
        for command, output in step(block, bare, len(wanted)):
            script += [f"printf '{MARK}'", f"echo '{block.name}' >&2", command]
            wanted.append((block, command, output))
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("DECOT_", "PREFECT_API"))
    }
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
    }
    if in_tree:
        env["PYTHONPATH"] = str(work)
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    printed = done.stdout.split(MARK)[1:]
    assert done.returncode == 0, (
        f"{wanted[len(printed) - 1][0].name}: exit code {done.returncode}\n{done.stderr[-3000:]}"
    )
    assert len(printed) == len(wanted)
    for (block, command, output), found in zip(wanted, printed):
        if output is not None:
            assert fits(output, found), f"{block.name}: {command}\nsays\n{output}\nprinted\n{found}"


def fits(wanted: str, found: str) -> bool:
    """Is this what was printed? `…` stands for anything, also for whole lines; blanks count once."""
    pattern = re.escape(" ".join(wanted.split())).replace("…", ".*?")
    return re.fullmatch(pattern, " ".join(found.split()), re.S) is not None


@pytest.mark.parametrize("page", QUICK)
def test_the_page_runs(page, tmp_path):
    """The quick blocks of the page run in order and print what it says."""
    play(QUICK[page], tmp_path, slow=False, timeout=900)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_the_page_runs_whole(page, tmp_path, request):
    """The page from top to bottom, with the blocks that take minutes."""
    wants = BEGINS in (ROOT / page).read_text()
    home = request.getfixturevalue("demo_home") if wants else None
    play(SLOW[page], tmp_path, slow=True, timeout=3_600, home=home)


def test_a_change_of_a_page_is_small():
    """What a reader adds on a page of his own is at most thirty lines."""
    changes = [block for block in blocks.all_blocks() if block.lang == "diff"]
    assert len(changes) >= 5
    for block in changes:
        lines = [line for line in block.code.split("\n") if re.match(r"[+-](?![+-])", line)]
        assert 0 < len(lines) <= 30, block.name


def test_every_block_is_run_or_says_why():
    """No block of commands stands on a page without a fate; who is not tried gives a reason of some words."""
    for block in blocks.all_blocks():
        assert block.lang, (
            f"{block.name}: name the language of the fence, or describe it in docs/_hooks/told.toml"
        )
        if block.how == "untried":
            assert len(block.why.split()) >= 4, block.name
    assert len(SLOW) >= 1


@pytest.mark.parametrize(
    "block", [b for b in blocks.all_blocks() if b.lang in ("toml", "json", "yaml")], ids=lambda b: b.name
)
def test_settings_can_be_read(block, tmp_path):
    """TOML blocks are parts of a profile that loads; JSON and YAML blocks parse."""
    if block.lang == "json":
        assert json.loads(block.code)
    elif block.lang == "yaml":
        assert yaml.safe_load(block.code)
    else:
        from decot.experiment.config import Experiment
        from decot.experiment.order import Order

        assert tomllib.loads(block.code)
        profile = tmp_path / "part.toml"
        profile.write_text(block.code)
        assert Experiment.of(Order(profile=str(profile)))


def test_the_comparison_can_fail():
    """Other words, and missing ones, are no fit; an ellipsis is."""
    assert fits("a … d\n", "a  b\nc d")
    assert not fits("a … d", "a b c")
    assert not fits("exactly", "exactly this")
