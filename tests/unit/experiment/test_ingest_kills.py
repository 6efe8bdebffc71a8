"""Ingest killed with −9 at random moments leaves a lake that holds less, never something else, and ends whole."""

from __future__ import annotations

import importlib
import importlib.util

import pytest


def kills(times, **how):
    """The benchmark that does the killing."""
    if importlib.util.find_spec("benchmarks.ingest") is None:
        pytest.skip("benchmarks/ingest.py is not importable here")
    return importlib.import_module("benchmarks.ingest").kills(times, **how)


def test_a_handful_of_kills_changes_no_digest():
    """Four kills: what has landed is what an uninterrupted ingest lands, and in the end all of it has."""
    end = kills(4, days=1)
    assert (end["kills"], end["strange_tables"], end["ends"]) == (4, 0, end["ends_equal"])


@pytest.mark.slow
def test_a_hundred_kills_change_no_digest():
    """A hundred kills: the same, wherever they fall."""
    end = kills(100, seed=1)
    assert (end["kills"], end["strange_tables"], end["ends"]) == (100, 0, end["ends_equal"])
