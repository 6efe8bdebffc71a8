"""Run benchmarks and keep what they said; write the table of what was kept. Measures nothing itself.

    python -m benchmarks --run cheap            those of a few minutes, one after the other
    python -m benchmarks --run market gate      these
    python -m benchmarks --table docs/benchmarks.md
    python -m benchmarks --list

What a benchmark printed is kept in benchmarks/results/NAME.json with its command, its date and the versions of both
sides; the table has no other source. A benchmark that did not run leaves no row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from decot import __version__, clock

RESULTS = Path(__file__).with_name("results")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: how it is called, who is measured beside us, and how long that takes about."""

    words: tuple[str, ...]
    peers: tuple[str, ...]
    """distributions whose versions belong to the figures"""
    what: str
    is_cheap: bool = False


BENCHES = {
    "features": Bench(("--rows", "1000000"), ("TA-Lib", "pandas-ta-classic", "talipp"), "ten indicators, 1M rows", True),
    "market": Bench((), ("hftbacktest", "gym-trading-env"), "account-steps through a tape", True),
    "latency": Bench((), ("torch", "onnxruntime"), "one tick, from bar to decision and words", True),
    "regimes": Bench((), ("hmmlearn",), "a causal regime posterior per bar", True),
    "text": Bench((), ("transformers",), "headlines read a CPU-second", True),
    "validate": Bench((), ("great_expectations", "pandera"), "checking a million rows"),
    "gate": Bench((), ("arch",), "the judge's speed, and how often luck passes"),
    "train": Bench((), ("stable_baselines3", "torch"), "a training, environment steps a second"),
    "evolve": Bench((), ("deap", "optuna", "pymoo"), "a search at the same budget"),
    "worlds": Bench((), ("stable_baselines3",), "skill on worlds with a known answer"),
    "monitor": Bench((), (), "alarms of the session monitor, true and false"),
    "faults": Bench(("--profile", "quick"), (), "orders lost or doubled under faults"),
}  # fmt: skip


def run(name: str) -> Path:
    """Run one benchmark and keep what it said.

    Raises:
        subprocess.CalledProcessError: it did not end well; nothing is kept.
    """
    bench = BENCHES[name]
    words = ["-m", f"benchmarks.{name}", *bench.words, "--json"]
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=False)
    said = done.stdout.strip().splitlines()
    if not said or not said[-1].startswith("{"):
        raise subprocess.CalledProcessError(done.returncode, words)
    kept = {
        "command": f"python {' '.join(words)}",
        "date": clock.now().strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "versions": {"decot": __version__, "python": platform.python_version(), **_versions(bench.peers)},
        "cores": os.cpu_count(),
        "exit": done.returncode,
        "report": json.loads(said[-1]),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _commit() -> str:
    """What the tree was taken from; `+` when it has been changed since."""
    asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return done.stdout.strip() or "unknown"


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def table(folder: Path = RESULTS) -> str:
    """One row per ratio that was measured, each benchmark with its command, in markdown."""
    rows = ["| benchmark | beside | ratio | target | | measured |", "|-|-|-|-|-|-|"]
    commands = []
    for name in BENCHES:
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        kept = json.loads(path.read_text(encoding="utf-8"))
        rows += _rows(name, kept)
        beside = ", ".join(f"{key} {value}" for key, value in kept["versions"].items())
        where = f"{kept['date']} UTC at commit {kept['commit']}, {kept['cores']} cores"
        commands.append(f"- **{name}**: `{kept['command']}`, {where}; {beside}")
    return "\n".join([*rows, "", *commands])


def _rows(name: str, kept: dict[str, Any]) -> list[str]:
    report, what = kept["report"], BENCHES[name].what
    targets, rows = report.get("targets") or {}, []
    for peer, ratio in (report.get("ratios") or {}).items():
        if not isinstance(ratio, int | float):
            continue
        bound = targets.get(peer)
        bound = bound if isinstance(bound, int | float) else None
        held = "" if bound is None else "met" if ratio >= bound else "**missed**"
        wanted = "" if bound is None else f"{bound:g}"
        rows.append(f"| {name}: {what} | {peer} | {ratio:,.3g} | {wanted} | {held} | {kept['date'][:10]} |")
    return rows


def write(page: Path, folder: Path = RESULTS) -> None:
    """Put the table between the two marks of a page; the words around it stay."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page}: put {BEGIN} and {END} where the table shall be")
    whole = f"{BEGIN}\n{table(folder)}\n{END}"
    page.write_text(
        re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: whole, text, flags=re.DOTALL), "utf-8"
    )


def main(words: list[str] | None = None) -> int:
    """Exit code 1 when a benchmark did not end well."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--run", nargs="+", metavar="NAME", default=[], help="cheap, all, or names")
    asked.add_argument("--table", type=Path, metavar="PAGE", help="write the table into this page")
    asked.add_argument("--list", action="store_true", help="which there are")
    options = asked.parse_args(words)
    if options.list:
        print(
            "\n".join(
                f"{name:<10} {'cheap' if one.is_cheap else '     '}  {one.what}"
                for name, one in BENCHES.items()
            )
        )
    chosen = [name for name, one in BENCHES.items() if name in options.run or "all" in options.run
              or ("cheap" in options.run and one.is_cheap)]  # fmt: skip
    unknown = set(options.run) - {*BENCHES, "cheap", "all"}
    if unknown:
        asked.error(f"{', '.join(sorted(unknown))}: there are {', '.join(BENCHES)}")
    failed = []
    for name in chosen:
        print(f"{name}: {BENCHES[name].what} …", file=sys.stderr)
        try:
            print(run(name))
        except subprocess.CalledProcessError as broken:
            failed.append(name)
            print(f"{name}: ended with code {broken.returncode}; nothing is kept", file=sys.stderr)
    if options.table:
        write(options.table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
