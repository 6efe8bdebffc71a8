"""The registry: stages are walked one by one, each with its certificate, and nothing is stored half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from decot.errors import CertificateRefused, RegistryRefused
from decot.gate.approval import read_session, sign_approval, sign_session
from decot.gate.certificate import issue, open_key
from decot.gate.registry import Registry
from decot.gate.signed import revoke

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
    about = {"digest": entry.digest, "key": key, "now": NOW}
    session = sign_session(
        registry.session_of(entry.digest), certificate="c", figures={"net_usdt": 0.1}, **about
    )
    sign_approval(
        registry.approval_of(entry.digest),
        session=session.serial,
        card="the card",
        approved_by="Ada",
        reason="seen",
        **about,
    )
    live = {"paper": {"certificate": session.serial}, "approved_by": "Ada"}
    issue(registry.certificate_of(entry.digest, "live"), **give, **live, key=key, now=NOW, stage="live")
    return registry, entry, key, artefact


def on_paper(house):
    registry, entry, key, _ = house
    for stage in ("certified", "paper"):
        registry.promote(entry.digest, stage, now=NOW, why="…", trusted=[key.public_key()])
    return registry, entry, {"now": NOW, "why": "…", "trusted": [key.public_key()]}


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


@pytest.mark.parametrize("gone", ["session", "approval"])
def test_live_needs_the_session_and_the_person(house, gone):
    """A live certificate alone opens nothing: the signed paper session and the signed approval must be there."""
    registry, entry, words = on_paper(house)
    (registry.certificates / f"{entry.digest}.{gone}.json").unlink()
    with pytest.raises(CertificateRefused, match="no signed paper session|no person has approved"):
        registry.promote(entry.digest, "live", **words)
    assert registry.get(entry.digest).stage == "paper"


def test_an_approval_is_of_one_session_by_one_person(house):
    """Another session, another name, another agent, or an edited note: the approval does not count."""
    registry, entry, words = on_paper(house)
    key = house[2]
    about = {"digest": entry.digest, "key": key, "now": NOW}
    path, session = registry.approval_of(entry.digest), registry.session_of(entry.digest)
    good = path.read_bytes()
    real = read_session(session, entry.digest, trusted=words["trusted"], now=NOW).serial
    for changes, told in (
        ({"session": "other", "approved_by": "Ada"}, "after paper session other"),
        ({"session": real, "approved_by": "Bob"}, "approved by Bob"),
        ({"session": real, "approved_by": "Ada", "digest": "ff" * 32}, "is about agent ffff"),
    ):
        sign_approval(path, card="c", reason="r", **{**about, **changes})
        with pytest.raises(CertificateRefused, match=told):
            registry.promote(entry.digest, "live", **words)
    path.write_bytes(good.replace(b"Ada", b"Eve"))
    with pytest.raises(CertificateRefused, match="edited"):
        registry.promote(entry.digest, "live", **words)
    with pytest.raises(CertificateRefused, match="name of a person"):
        sign_approval(path, session=real, card="c", approved_by=" ", reason="r", **about)
    sign_session(session, certificate="c", figures={"net_usdt": 9.9}, **about)
    path.write_bytes(good)
    with pytest.raises(CertificateRefused, match="another paper session"):
        registry.promote(entry.digest, "live", **words)


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


def test_signed_anew_after_the_key_was_changed(house, tmp_path):
    """With another key an agent wants a signature and goes back to certified; one revoked by name never does."""
    registry, entry, about = on_paper(house)
    assert not registry.wants_signature(entry.digest, trusted=about["trusted"], now=NOW)
    key = open_key(tmp_path / "another key")
    trusted = [key.public_key()]
    assert registry.wants_signature(entry.digest, trusted=trusted, now=NOW)
    with pytest.raises(CertificateRefused):
        registry.certify_again(entry.digest, now=NOW, why="…", trusted=trusted)
    issued = issue(
        registry.certificate_of(entry.digest),
        artefact=house[3],
        verdict=GOOD,
        data=[],
        code="c",
        config={},
        ledger_head="h",
        key=key,
        now=NOW,
    )
    again = registry.certify_again(entry.digest, now=NOW, why="signed anew", trusted=trusted)
    assert (again.stage, again.history[-1]["certificate"]) == ("certified", issued.serial)
    assert not registry.wants_signature(entry.digest, trusted=trusted, now=NOW)
    revoke(registry.revocations, issued.serial, "seen by another")
    assert not registry.wants_signature(entry.digest, trusted=trusted, now=NOW)
