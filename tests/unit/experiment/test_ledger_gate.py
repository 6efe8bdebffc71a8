"""The gate counts trials from a ledger that holds, and from no other."""

from __future__ import annotations

import json

import pytest

from decot.errors import LedgerBroken
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.experiment.examine import ledgered

CFG = SearchConfig(generations=1, population=4, trials=2, subject="gate")


@pytest.fixture
def path(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl", fsync=False)
    search(Surrogate(), CFG, ledger, tmp_path / "w")
    return ledger.path


def test_a_ledger_that_holds_is_counted(path):
    """Every trial, rungs included, as many as were run."""
    assert ledgered(path, 1).n_trials == len(Ledger(path).lines("trial")) == 8


def deleted(lines):
    return lines[:3] + lines[4:], 4


def edited(lines):
    line = json.loads(lines[2])
    line["payload"]["evaluation"]["profit"] = 9.0
    return lines[:2] + [json.dumps(line)] + lines[3:], 3


def reordered(lines):
    return lines[:4] + [lines[5], lines[4]] + lines[6:], 5


def appended(lines):
    return [*lines, lines[-1].replace(f'"n":{len(lines)}', f'"n":{len(lines) + 1}')], len(lines) + 1


def trimmed(lines):
    return lines[:-1], len(lines)


@pytest.mark.parametrize("forgery", [deleted, edited, reordered, appended, trimmed])
def test_the_gate_does_not_run_on_a_forged_ledger(path, forgery):
    """One trial deleted, edited, reordered, appended by hand or cut off the end: refused, its line named."""
    lines, n = forgery(path.read_text().splitlines())
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LedgerBroken, match=rf"\b{n}\b"):
        ledgered(path, 1)
