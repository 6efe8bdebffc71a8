"""Keys age, are rotated and revoked; what they signed then no longer counts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from decot.errors import CertificateRefused
from decot.gate.certificate import issue, verify
from decot.gate.keys import KEY_DAYS, key_of, key_path, keys, open_key, rotate_key, signing_key
from decot.gate.signed import revoke, seal, unseal

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
GOOD = {"verdict": "promoted", "rules": [{"name": "capital", "passed": True}]}


def test_a_key_knows_its_age(tmp_path):
    """Made at first use, for a year; a key written by an older version is as old as its file."""
    path = tmp_path / "keys" / "signing.pem"
    open_key(path, now=NOW)
    assert key_of(path).made == NOW
    assert key_of(path).expires == NOW + timedelta(days=KEY_DAYS)
    raw = open_key(path).private_bytes_raw()
    path.write_bytes(base64.b64encode(raw) + b"\n")
    assert key_of(path).made.timestamp() == pytest.approx(path.stat().st_mtime)
    assert open_key(path).private_bytes_raw() == raw


def test_an_expired_key_signs_nothing_and_what_it_signed_ends(tmp_path):
    """A year on, the key refuses to sign, and a certificate that is not old itself is refused for its key."""
    path, late = tmp_path / "signing.pem", NOW + timedelta(days=KEY_DAYS - 1)
    open_key(path, now=NOW)
    key, expires = signing_key(path, late)
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "w").write_bytes(b"w")
    note = tmp_path / "a.json"
    give = {"artefact": folder, "verdict": GOOD, "data": [], "code": "c", "config": {}, "ledger_head": "h"}
    issue(note, **give, key=key, now=late, key_expires=expires)
    trusted = [key.public_key()]
    assert verify(note, folder, trusted=trusted, now=late).stage == "paper"
    with pytest.raises(CertificateRefused, match="signing key .* expired"):
        verify(note, folder, trusted=trusted, now=late + timedelta(days=2))
    with pytest.raises(CertificateRefused, match="decot keys rotate"):
        signing_key(path, late + timedelta(days=2))


def test_rotation_keeps_the_old_key_aside(tmp_path):
    """After rotation there are two keys, only the new one signs, both are for their owner only."""
    path = tmp_path / "signing.pem"
    open_key(path, now=NOW)
    old = rotate_key(path, now=NOW + timedelta(days=1))
    found = keys(path)
    assert [key.is_current for key in found] == [True, False]
    assert found[1].id == old != found[0].id
    assert all(key.path.stat().st_mode & 0o777 == 0o600 for key in found)


def test_the_place_of_the_key_is_a_setting(tmp_path, monkeypatch):
    """DECOT_SIGNING_KEY names another file; without it the key lies in the home."""
    monkeypatch.delenv("DECOT_SIGNING_KEY", raising=False)
    assert key_path(tmp_path) == tmp_path / "keys" / "signing.pem"
    monkeypatch.setenv("DECOT_SIGNING_KEY", str(tmp_path / "elsewhere"))
    assert key_path(tmp_path) == tmp_path / "elsewhere"


def test_a_list_of_revocations_that_cannot_be_read_stops_everything(tmp_path):
    """A broken list is no empty list."""
    key, note = open_key(tmp_path / "k"), tmp_path / "n.json"
    seal(note, "f/1", {"a": 1}, key=key, now=NOW)
    words = {"trusted": [key.public_key()], "now": NOW}
    assert unseal(note, "f/1", **words)["a"] == 1
    (tmp_path / "revoked.json").write_text("[")
    with pytest.raises(CertificateRefused, match="cannot be read"):
        unseal(note, "f/1", **words)
    (tmp_path / "revoked.json").write_text("{}")
    revoke(tmp_path / "revoked.json", unseal(note, "f/1", **words)["key_id"], "lost")
    with pytest.raises(CertificateRefused, match="key .* was revoked: lost"):
        unseal(note, "f/1", **words)
