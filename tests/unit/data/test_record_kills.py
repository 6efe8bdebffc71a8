"""Killed with −9 at random moments, a download and a recording end as if nothing had happened."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest


def proof():
    """The benchmark that does the killing."""
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "record.py"
    spec = importlib.util.find_spec("benchmarks.record")
    if spec is None:
        pytest.skip(f"{path.name} is not importable here")
    return importlib.import_module("benchmarks.record")


@pytest.mark.parametrize("kind", ["download", "record"])
def test_a_handful_of_kills_loses_and_doubles_nothing(kind):
    """Three kills each: the lake equals the tape, no trade twice."""
    end = proof().kills(3, kind)
    assert (end["table"], end["doubled"], end["missing"]) == ("equal", 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["download", "record"])
def test_a_hundred_kills_lose_and_double_nothing(kind):
    """A hundred kills each: the lake equals the tape, no trade twice."""
    end = proof().kills(100, kind, seed=1)
    assert (end["table"], end["doubled"], end["missing"]) == ("equal", 0, 0)


@pytest.mark.slow
def test_fifty_storms_lose_nothing():
    """Fifty seeds with every fault on: all equal the tape, nothing undetected, nothing doubled, no request in a ban."""
    bench = proof()
    for line in bench.storms(50, bench.Plan()):
        assert line["equal"], line
        assert line["undetected"] == line["doubled"] == line["strange_rows"] == line["while_banned"] == 0, (
            line
        )
