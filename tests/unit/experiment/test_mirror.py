"""The registry in W&B: an artifact in an offline run that can be read back, and a W&B that fails stops nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from decot.experiment import mirror
from decot.experiment.place import Place
from decot.gate.registry import Registry
from decot.report.tracking import offline_runs, read_offline

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)


@pytest.fixture
def entry(tmp_path):
    agent = tmp_path / "agent"
    agent.mkdir()
    (agent / "weights").write_bytes(b"w")
    return Registry(tmp_path / "registry").add(agent, now=NOW)


def test_a_stage_is_an_artifact_that_can_be_read_back(tmp_path, entry):
    """Name, kind, digest and stage come out of the offline run file as they went in."""
    pytest.importorskip("wandb")
    assert mirror.mirrored(Place(tmp_path), entry) == "mirrored in tracking/registry"
    runs = offline_runs(tmp_path / "tracking" / "registry")
    found = read_offline(runs[-1])
    assert found.config["stage"] == "candidate"
    artefact = found.artefacts[0]
    assert artefact["name"] == f"agent-{entry.digest[:12]}"
    assert artefact["metadata"]["digest"] == entry.digest


def test_a_failing_mirror_stops_nothing(tmp_path, entry, monkeypatch):
    """Without W&B, or switched off: one line that says so, and the registry is as it was."""
    monkeypatch.setattr("decot.report.tracking._installed", lambda: False)
    assert "wandb is not installed" in mirror.mirrored(Place(tmp_path), entry)
    assert "disabled" in mirror.mirrored(Place(tmp_path), entry, is_enabled=False)
    assert Registry(tmp_path / "registry").get(entry.digest).stage == "candidate"
