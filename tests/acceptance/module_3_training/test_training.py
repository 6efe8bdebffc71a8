"""Module 3: it learns, every trial is counted, it resumes as if never stopped, and the same seed gives the same agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from decot.errors import LedgerBroken
from decot.evolve.ledger import Ledger


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory, tiny_profile, run_decot):
    """The same command in two homes that know nothing of each other."""
    homes = [tmp_path_factory.mktemp("home") for _ in range(2)]
    words = ("run", "--profile", str(tiny_profile), "--json", "--quiet", "--home")
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda home: run_decot(*words, str(home)), homes))
    return homes, said


def test_the_pipeline_ends_with_a_verdict_and_one_json_object(two_runs):
    """Exit code 0, 3 or 4; the last line of stdout has everything a machine needs."""
    _, said = two_runs
    for one in said:
        assert one.code in (0, 3, 4), one.err[-2_000:]
        outcome = one.json
        assert {"run_id", "tables", "train", "gate", "trade", "report", "seconds"} <= outcome.keys()
        assert {"individuals", "trials", "env_steps", "front"} <= outcome["train"].keys()
        assert {"name", "version", "rows", "columns", "digest"} <= outcome["tables"][0].keys()
        assert all(
            {"name", "figure", "bound", "passed", "why"} <= rule.keys() for rule in outcome["gate"]["rules"]
        )
        assert Path(outcome["report"]).stat().st_size > 1_000_000
        base = next(table for table in outcome["tables"] if table["name"] == "base")
        assert base["columns"] == 41


def test_the_same_command_gives_the_same_run(two_runs):
    """Digests, weights, ledger head and every figure of the gate but the measured latency are equal."""
    one, two = (said.json for said in two_runs[1])

    def fixed(outcome):
        rules = [rule for rule in outcome["gate"]["rules"] if rule["name"] != "decision_latency"]
        tables = [{k: v for k, v in table.items() if k != "version"} for table in outcome["tables"]]
        return {
            "tables": tables,
            "weights": outcome["train"]["weights"],
            "ledger": outcome["train"]["ledger_head"],
            "front": outcome["train"]["front"],
            "rules": rules,
            "verdict": outcome["gate"]["verdict"],
        }

    assert fixed(one) == fixed(two)


def test_every_trial_is_in_the_ledger_and_an_edited_one_is_named(two_runs, run_decot):
    """Search and finals are counted; a changed figure breaks the chain at its line, and the command says which."""
    home = two_runs[0][0]
    path = next((home / "search").rglob("ledger.jsonl"))
    summary = Ledger.verify(path)
    assert summary.n_trials >= two_runs[1][0].json["train"]["trials"] + 2
    lines = path.read_text().splitlines()
    line = json.loads(lines[2])
    assert line["kind"] == "trial"
    line["payload"]["evaluation"]["profit"] = 99.0
    copy = home / "edited" / "ledger.jsonl"
    copy.parent.mkdir()
    copy.write_text("\n".join([*lines[:2], json.dumps(line), *lines[3:]]) + "\n")
    (copy.parent / "ledger.jsonl.head").write_bytes(Path(f"{path}.head").read_bytes())
    with pytest.raises(LedgerBroken, match="3"):
        Ledger.verify(copy)
    said = run_decot("ledger", "verify", str(copy))
    assert said.code == 1
    assert "line 3" in said.err


def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(two_runs, tiny_profile, tmp_path, run_decot):
    """Ctrl-C in the middle of training, then the same command: it says what it kept, and the agent is the same."""
    words = [
        sys.executable,
        "-m",
        "decot",
        "run",
        "--profile",
        str(tiny_profile),
        "--home",
        str(tmp_path),
        "--json",
    ]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    ledger_seen = False
    for _ in range(600):
        time.sleep(0.25)
        ledgers = list(tmp_path.glob("search/*/ledger.jsonl"))
        ledger_seen = bool(ledgers) and '"kind":"trial"' in ledgers[0].read_text()
        if ledger_seen or process.poll() is not None:
            break
    assert ledger_seen, process.communicate()[1][-2_000:]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err[-2_000:]
    assert "interrupted" in err
    tables = run_decot("tables", "--home", str(tmp_path), "--json")
    assert {table["name"] for table in tables.json} >= {"base", "bars", "features"}
    again = run_decot("run", "--profile", str(tiny_profile), "--home", str(tmp_path), "--json")
    assert again.code in (0, 3, 4), again.err[-2_000:]
    assert "kept from an earlier run" in again.err
    assert "goes on from there" in again.err
    assert again.json["train"]["weights"] == two_runs[1][0].json["train"]["weights"]
    assert again.json["train"]["ledger_head"] == two_runs[1][0].json["train"]["ledger_head"]
