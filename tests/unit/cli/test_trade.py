"""The commands that act: the switch, and what is refused before anything starts."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from decot.cli.main import app
from decot.live import kill


def test_the_switch_is_pulled_and_released(tmp_path):
    """Who and why are shown and kept; released, it is gone."""
    run = CliRunner().invoke
    said = run(app, ["kill", "--why", "news", "--who", "anna", "--home", str(tmp_path), "--json"])
    assert json.loads(said.stdout)["who"] == "anna"
    assert kill.pulled(tmp_path).why == "news"
    assert "released" in run(app, ["kill", "--release", "--home", str(tmp_path)]).output
    assert not kill.is_pulled(tmp_path)


def test_live_without_a_key_is_refused(tmp_path, monkeypatch):
    """Keys come from the environment, never from an argument; without them nothing starts."""
    for name in ("DECOT_API_KEY", "DECOT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    said = CliRunner().invoke(app, ["trade", "abc", "--live", "--home", str(tmp_path)])
    assert said.exit_code == 2
    assert "DECOT_API_KEY" in said.output


def test_leaving_wants_a_key_and_a_session(tmp_path, monkeypatch):
    """Keys come from the environment here too; a session that never was is named, and exit codes tell them apart."""
    for name in ("DECOT_API_KEY", "DECOT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    run, words = CliRunner().invoke, ["leave", "live-abc", "--home", str(tmp_path)]
    assert run(app, words).exit_code == 2
    said = run(app, [*words, "--venue-port", "1"])
    assert said.exit_code == 1
    assert "live-abc" in said.output
    assert "known here: none" in said.output


def test_nobody_without_a_certificate_trades(tmp_path):
    """An unknown agent is refused on the feed too."""
    words = ["trade", "abc", "--feed", "--venue-port", "1", "--home", str(tmp_path), "--quiet"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 1
    assert "RegistryRefused" in said.output
