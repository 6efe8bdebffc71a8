"""The certificate: nothing about it or the artefact can change without being refused, with the reason."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from decot.errors import CertificateRefused
from decot.gate.certificate import digest_folder, issue, key_id, open_key, revoke, rotate_key, verify

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
DATA = [{"name": "features", "version": 3, "digest": "ab"}]
GOOD = {
    "verdict": "promoted",
    "rules": [{"name": "capital", "figure": 19.0, "bound": 20.0, "passed": True, "why": "…"}],
}


@pytest.fixture
def house(tmp_path):
    """An artefact, a key and a certificate issued for it."""
    artefact = tmp_path / "agent"
    artefact.mkdir()
    (artefact / "weights.safetensors").write_bytes(bytes(range(200)))
    (artefact / "config.json").write_text("{}")
    key = open_key(tmp_path / "keys" / "gate")
    path = tmp_path / "agent.cert.json"
    give = {"artefact": artefact, "verdict": GOOD, "data": DATA, "code": "c0de", "config": {"a": 1}}
    issue(path, **give, ledger_head="h", key=key, now=NOW)
    return tmp_path, artefact, key, path, give


def check(house, **changes):
    _, artefact, key, path, _ = house
    return verify(path, artefact, **{"trusted": [key.public_key()], "now": NOW, **changes})


def test_an_honest_certificate_holds(house):
    """What was issued is verified, and carries what was signed."""
    found = check(house, data=DATA, code="c0de")
    assert found.stage == "paper"
    assert found.model == digest_folder(house[1])
    assert found.body["ledger_head"] == "h"


def test_the_key_is_private(house):
    """The key is made at first use with 0600, the same is opened again, and a readable one is refused."""
    path = house[0] / "keys" / "gate"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_id(open_key(path).public_key()) == key_id(house[2].public_key())
    path.chmod(0o644)
    with pytest.raises(CertificateRefused, match="chmod 600"):
        open_key(path)


@pytest.mark.parametrize("flip", [0, 7, 100, 199])
def test_one_flipped_byte_of_the_model(house, flip):
    """A single bit of the weights makes it another model."""
    weights = house[1] / "weights.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[flip] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(CertificateRefused, match="its bytes were changed"):
        check(house)


def test_a_file_more_or_less(house):
    """A file added to or taken from the artefact is a change too."""
    (house[1] / "extra").write_text("x")
    with pytest.raises(CertificateRefused, match="changed"):
        check(house)
    (house[1] / "extra").unlink()
    (house[1] / "config.json").unlink()
    with pytest.raises(CertificateRefused, match="changed"):
        check(house)


def test_a_link_is_no_model(house):
    """A link in the artefact could be pointed elsewhere after the verdict, so it is refused."""
    (house[1] / "other").symlink_to(house[1] / "config.json")
    with pytest.raises(CertificateRefused, match="is a link"):
        check(house)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("stage", "live"),
        ("model", "00"),
        ("expires", "2099-01-01T00:00:00+00:00"),
        ("verdict", {}),
        ("code", "x"),
    ],
)
def test_an_edited_certificate(house, where, value):
    """Every field is under the signature."""
    whole = json.loads(house[3].read_text())
    whole["body"][where] = value
    house[3].write_text(json.dumps(whole))
    with pytest.raises(CertificateRefused, match="edited"):
        check(house)


def test_another_key_and_rotation(house):
    """A certificate of an unknown key is refused; after rotation the old key counts only where it is still trusted."""
    stranger = open_key(house[0] / "stranger")
    with pytest.raises(CertificateRefused, match="signed with key"):
        check(house, trusted=[stranger.public_key()])
    old = rotate_key(house[0] / "keys" / "gate")
    new = open_key(house[0] / "keys" / "gate")
    with pytest.raises(CertificateRefused, match="signed with key"):
        check(house, trusted=[new.public_key()])
    kept = open_key(house[0] / "keys" / f"gate.{old}")
    assert check(house, trusted=[new.public_key(), kept.public_key()]).key_id == old


def test_time_and_revocation(house):
    """Expired, issued in the future, or revoked by serial or by key: refused, and the reason is told."""
    with pytest.raises(CertificateRefused, match="expired"):
        check(house, now=NOW + timedelta(days=31))
    with pytest.raises(CertificateRefused, match="in the future"):
        check(house, now=NOW - timedelta(days=1))
    found = check(house)
    listed = house[0] / "revoked.json"
    revoke(listed, found.serial, "found a bug in the fees")
    with pytest.raises(CertificateRefused, match="found a bug in the fees"):
        check(house, revocations=listed)
    with pytest.raises(CertificateRefused, match="found a bug in the fees"):
        check(house)  # the list lies beside the certificate: nobody can forget to look at it
    listed.unlink()
    other = house[0] / "keys.json"
    revoke(other, found.key_id, "laptop lost")
    with pytest.raises(CertificateRefused, match="laptop lost"):
        check(house, revocations=other)


def test_other_data_or_code(house):
    """A stale data version or other code is not what was judged."""
    with pytest.raises(CertificateRefused, match="data was"):
        check(house, data=[{**DATA[0], "version": 4}])
    with pytest.raises(CertificateRefused, match="code was"):
        check(house, code="beef")


def test_only_the_promoted_are_certified(house):
    """No verdict but promoted is signed, nor one whose rules contradict it; live needs paper and a person."""
    path = house[0] / "x.json"
    give, rest = house[4], {"ledger_head": "h", "key": house[2], "now": NOW}
    with pytest.raises(CertificateRefused, match="insufficient"):
        issue(path, **{**give, "verdict": {**GOOD, "verdict": "insufficient_evidence"}}, **rest)
    broken = {"verdict": "promoted", "rules": [{**GOOD["rules"][0], "passed": False}]}
    with pytest.raises(CertificateRefused, match="capital"):
        issue(path, **{**give, "verdict": broken}, **rest)
    with pytest.raises(CertificateRefused, match="person's approval"):
        issue(path, **give, **rest, stage="live")
    assert not path.exists()
    with pytest.raises(CertificateRefused, match="not to live"):
        check(house, stage="live")
    issue(path, **give, **rest, stage="live", paper={"certificate": "s"}, approved_by="Ada")
    assert verify(path, house[1], trusted=[house[2].public_key()], now=NOW, stage="live").stage == "live"


def test_rubbish_is_refused(house):
    """A missing, empty, or foreign file is no certificate."""
    for content in (None, "", "[]", '{"body": {}, "signature": "AAAA"}', '{"body": 3}'):
        path = house[0] / "rubbish.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(CertificateRefused):
            verify(path, house[1], trusted=[house[2].public_key()], now=NOW)
