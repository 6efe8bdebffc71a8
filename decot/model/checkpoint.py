"""An agent on disk: safetensors and JSON, and nothing that runs when it is read. Knows no money.

`agent.safetensors` holds the weights, `agent.json` the configuration, the caller's manifest and the weights' digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from decot.errors import CheckpointRefused, ConfigError
from decot.model.config import ModelConfig

if TYPE_CHECKING:
    from decot.model.agent import Agent

WEIGHTS, MANIFEST, FORMAT = "agent.safetensors", "agent.json", 1
Arrays = dict[str, np.ndarray]


def arrays_of(agent: Agent) -> Arrays:
    """Every weight and buffer as numpy, by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in agent.state_dict().items()}


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of the names."""
    whole = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        whole.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()


def weights_hash(agent: Agent) -> str:
    """The name of these very weights; the same weights have the same hash on every machine."""
    return digest(arrays_of(agent))


def save(folder: Path, agent: Agent, manifest: Mapping[str, Any] | None = None) -> str:
    """Write the checkpoint, each file whole or not at all; gives the weights' hash.

    Args:
        manifest: what the caller wants to be held to (schema hash, scaler, grounding, data versions, code version).
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays_of(agent).items()}
    name = digest(arrays)
    head = {
        "format": FORMAT,
        "weights": name,
        "config": agent.cfg.to_json(),
        "manifest": dict(manifest or {}),
    }
    write_whole(folder / WEIGHTS, save_tensors(arrays, metadata={"weights": name}))
    write_whole(folder / MANIFEST, json.dumps(head, indent=1, sort_keys=True).encode())
    return name


def read(folder: Path, expect: Mapping[str, Any] | None = None) -> tuple[ModelConfig, Arrays, dict[str, Any]]:
    """Configuration, weights and manifest, checked; needs no torch module to be built.

    Args:
        expect: keys the manifest must hold with these values; every difference is listed.
    Raises:
        CheckpointRefused: missing, damaged, or not what was expected.
    """
    try:
        head = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        arrays = load_tensors((folder / WEIGHTS).read_bytes())
        cfg = ModelConfig.from_json(head["config"])
        manifest, said, form = dict(head["manifest"]), head["weights"], head["format"]
    except FileNotFoundError as missing:
        raise CheckpointRefused(
            f"{folder}: {Path(str(missing.filename)).name} is missing; train or copy it again"
        ) from missing
    except (SafetensorError, ValueError, KeyError, TypeError, ConfigError, AttributeError) as broken:
        raise CheckpointRefused(
            f"{folder}: damaged ({type(broken).__name__}: {broken}); copy it again"
        ) from broken
    faults = [] if form == FORMAT else [f"format: {form} instead of {FORMAT}"]
    if digest(arrays) != said:
        faults.append(f"weights: {digest(arrays)[:16]}… instead of {str(said)[:16]}…")
    for key, wanted in (expect or {}).items():
        if manifest.get(key) != wanted:
            faults.append(f"{key}: {manifest.get(key)!r} instead of {wanted!r}")
    if faults:
        raise CheckpointRefused(f"{folder} does not match:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return cfg, arrays, manifest


def load(folder: Path, expect: Mapping[str, Any] | None = None) -> tuple[Agent, dict[str, Any]]:
    """The agent and its manifest; raises CheckpointRefused as `read` does, also when weights and architecture differ."""
    from decot.model.agent import Agent

    cfg, arrays, manifest = read(folder, expect)
    agent = Agent(cfg)
    put(agent, arrays)
    return agent.eval(), manifest


def put(agent: Agent, arrays: Mapping[str, np.ndarray]) -> None:
    """Give an agent these weights; CheckpointRefused lists every name or shape that differs."""
    import torch

    wanted = {name: tuple(tensor.shape) for name, tensor in agent.state_dict().items()}
    given = {name: tuple(array.shape) for name, array in arrays.items()}
    faults = [
        f"{name}: {given.get(name, 'absent')} instead of {wanted.get(name, 'nothing')}"
        for name in sorted(wanted.keys() | given.keys())
        if wanted.get(name) != given.get(name)
    ]
    if faults:
        raise CheckpointRefused(
            "weights do not fit the architecture:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )
    agent.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, then rename: a reader sees the old file or the new one."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
