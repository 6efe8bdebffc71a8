"""The table of benchmarks: written from what was kept, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import BEGIN, BENCHES, END, RESULTS, table, write

ROOT = Path(__file__).resolve().parents[3]
KEPT = {
    "command": "python -m benchmarks.regimes --json",
    "date": "2026-01-05 12:00",
    "commit": "abc1234",
    "versions": {"decot": "0.1.0"},
    "cores": 2,
    "exit": 1,
    "report": {"ratios": {"fast": 12.34, "slow": 0.5, "other": 3}, "targets": {"fast": 10, "slow": 1}},
}


def test_a_missed_target_says_so(tmp_path):
    """12.3 of 10 is met, 0.5 of 1 is missed, and a ratio without a target claims nothing."""
    (tmp_path / "regimes.json").write_text(json.dumps(KEPT))
    rows = {
        line.split(" | ")[1]: line for line in table(tmp_path).splitlines() if line.startswith("| regimes")
    }
    assert "| met |" in rows["fast"]
    assert "**missed**" in rows["slow"]
    assert rows["other"].endswith("| 3 |  |  | 2026-01-05 |")


def test_only_the_table_is_written_anew(tmp_path):
    """The words around stay; a page without the marks is refused."""
    (tmp_path / "regimes.json").write_text(json.dumps(KEPT))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, tmp_path)
    write(page, tmp_path)
    said = page.read_text()
    assert said.startswith("before\n")
    assert said.endswith("after\n")
    assert "old" not in said
    assert said.count("| regimes") == 3
    page.write_text("nothing")
    with pytest.raises(SystemExit):
        write(page, tmp_path)


def test_the_committed_table_is_what_the_kept_results_say():
    """docs/benchmarks.md and benchmarks/results tell the same, and every benchmark named is a module that is there."""
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert page.split(BEGIN)[1].split(END)[0].strip() == table(RESULTS).strip()
    assert [name for name in BENCHES if not (ROOT / "benchmarks" / f"{name}.py").is_file()] == []
