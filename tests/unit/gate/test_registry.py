"""The registry: stages are walked one by one, each with its certificate, and nothing is stored half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from decot.errors import CertificateRefused, RegistryRefused
from decot.gate.certificate import issue, open_key
from decot.gate.registry import Registry

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
GOOD = {"verdict": "promoted", "rules": [{"name": "capital", "passed": True}]}


@pytest.fixture
def house(tmp_path):
    artefact = tmp_path / "agent"
    artefact.mkdir()
    (artefact / "weights").write_bytes(b"w" * 50)
    registry = Registry(tmp_path / "registry")
    entry = registry.add(artefact, now=NOW)
    key = open_key(tmp_path / "key")
    give = {"artefact": artefact, "verdict": GOOD, "data": [], "code": "c", "config": {}, "ledger_head": "h"}
    issue(registry.certificate_of(entry.digest), **give, key=key, now=NOW)
    live = {"paper": {"certificate": "s"}, "approved_by": "Ada"}
    issue(registry.certificate_of(entry.digest, "live"), **give, **live, key=key, now=NOW, stage="live")
    return registry, entry, key, artefact


def test_the_way_to_live(house):
    """candidate → certified → paper → live → retired, each written down with its certificate."""
    registry, entry, key, _ = house
    for i, stage in enumerate(("certified", "paper", "live", "retired")):
        when = NOW + timedelta(hours=i)
        entry = registry.promote(entry.digest, stage, now=when, why="…", trusted=[key.public_key()])
        assert entry.stage == stage
    assert [event["stage"] for event in entry.history] == [
        "candidate",
        "certified",
        "paper",
        "live",
        "retired",
    ]
    assert all(event["certificate"] for event in entry.history[1:4])
    assert registry.champion() is None


def test_no_stage_is_skipped(house):
    """A candidate cannot become live, a retired agent nothing, an unknown stage does not exist."""
    registry, entry, key, _ = house
    for stage in ("paper", "live", "candidate", "champion"):
        with pytest.raises(RegistryRefused):
            registry.promote(entry.digest, stage, now=NOW, why="…", trusted=[key.public_key()])
    registry.promote(entry.digest, "retired", now=NOW, why="bad")
    with pytest.raises(RegistryRefused, match="nothing"):
        registry.promote(entry.digest, "certified", now=NOW, why="…", trusted=[key.public_key()])


def test_without_a_certificate_nothing_moves(house):
    """No certificate, an unknown key, or a changed object: the stage stays."""
    registry, entry, key, _ = house
    with pytest.raises(CertificateRefused):
        registry.promote(entry.digest, "certified", now=NOW, why="…", trusted=[])
    (entry.folder / "weights").write_bytes(b"v" * 50)
    with pytest.raises(CertificateRefused, match="bytes were changed"):
        registry.promote(entry.digest, "certified", now=NOW, why="…", trusted=[key.public_key()])
    assert registry.get(entry.digest).stage == "candidate"


def test_the_same_bytes_are_one_entry(house):
    """Adding an agent twice changes nothing; another one is another entry."""
    registry, entry, _, artefact = house
    assert registry.add(artefact, now=NOW + timedelta(days=1)) == entry
    (artefact / "weights").write_bytes(b"x")
    other = registry.add(artefact, now=NOW)
    assert other.digest != entry.digest
    assert {e.digest for e in registry.entries("candidate")} == {entry.digest, other.digest}
    with pytest.raises(RegistryRefused, match="2 agents"):
        registry.get("")
