"""Agents on disk."""

from __future__ import annotations

import json

import pytest

from decot.errors import CheckpointRefused
from decot.model.checkpoint import load, save, weights_hash


def test_what_is_saved_is_what_is_loaded(agent, tmp_path):
    """Weights hash, configuration and manifest come back."""
    name = save(tmp_path, agent, {"schema": "abc", "data": {"version": 3}})
    again, manifest = load(tmp_path, {"schema": "abc"})
    assert weights_hash(again) == name == weights_hash(agent)
    assert again.cfg == agent.cfg
    assert manifest["data"] == {"version": 3}


def test_a_mismatch_is_refused_with_its_difference(agent, tmp_path):
    """Every expected key that differs is listed with both values."""
    save(tmp_path, agent, {"schema": "abc", "code": "1"})
    with pytest.raises(
        CheckpointRefused, match=r"(?s)schema: 'abc' instead of 'xyz'.*code: '1' instead of '2'"
    ):
        load(tmp_path, {"schema": "xyz", "code": "2"})


def test_every_damage_is_refused(agent, tmp_path):
    """Flipped bits anywhere in the weights file are refused, and so is another architecture's configuration."""
    save(tmp_path, agent)
    path = tmp_path / "agent.safetensors"
    good = path.read_bytes()
    for place in range(0, len(good), max(1, len(good) // 60)):
        broken = bytearray(good)
        broken[place] ^= 0x10
        path.write_bytes(bytes(broken))
        with pytest.raises(CheckpointRefused):
            load(tmp_path)
    path.write_bytes(good)
    head = json.loads((tmp_path / "agent.json").read_text())
    head["config"]["lstm_units"] += 1
    (tmp_path / "agent.json").write_text(json.dumps(head))
    with pytest.raises(CheckpointRefused, match="instead of"):
        load(tmp_path)
    with pytest.raises(CheckpointRefused, match="missing"):
        load(tmp_path / "nowhere")
