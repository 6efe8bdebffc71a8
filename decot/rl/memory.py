"""A training's whole state in one file: weights, best weights, optimiser, luck, cursor. Knows no algorithm.

One safetensors file with a JSON head, replaced whole, so that a kill at any instant leaves the last state or the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from decot.errors import CheckpointRefused
from decot.model.agent import Agent
from decot.model.checkpoint import write_whole

FILE = "training.safetensors"
Weights = dict[str, Tensor]


@dataclass(slots=True)
class Cursor:
    """Where a training stands; the only mutable thing here, owned by one training loop."""

    best: Weights
    update: int = 0
    best_update: int = 0
    best_bps: float = float("-inf")
    best_score: float = float("-inf")
    """`best_bps` less what caution takes off"""
    stale: int = 0
    """looks since the best one"""
    curve: list[dict[str, float]] = field(default_factory=list)
    torch_rng: Tensor | None = None


def snapshot(agent: Agent) -> Weights:
    """A copy of the weights that later training leaves alone."""
    return {name: tensor.detach().clone() for name, tensor in agent.state_dict().items()}


def remember(
    folder: Path,
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    cursor: Cursor,
    extra: Weights,
) -> None:
    """Write the state of a training into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"now.{name}": tensor.contiguous() for name, tensor in snapshot(agent).items()}
    tensors |= {f"best.{name}": tensor.contiguous() for name, tensor in cursor.best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()}
    tensors |= {f"extra.{name}": tensor.contiguous() for name, tensor in extra.items()}
    if cursor.torch_rng is not None:
        tensors["torch_rng"] = cursor.torch_rng
    head = {
        "update": cursor.update,
        "best_update": cursor.best_update,
        "best_bps": cursor.best_bps,
        "best_score": cursor.best_score,
        "stale": cursor.stale,
        "curve": cursor.curve,
        "rng": rng.bit_generator.state,
    }
    write_whole(folder / FILE, save(tensors, metadata={"head": json.dumps(head)}))


def recall(
    folder: Path,
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    fresh: Cursor,
    extra: Weights,
) -> Cursor:
    """Put back what `remember` wrote; `fresh` when nothing was. `extra` is filled in place.

    Raises:
        CheckpointRefused: saved for another architecture.
    """
    path = folder / FILE
    if not path.exists():
        return fresh
    with safe_open(path, framework="pt") as file:
        head = json.loads(file.metadata()["head"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    own = agent.state_dict()
    now = _under("now.", tensors)
    if {name: tensor.shape for name, tensor in now.items()} != {
        name: tensor.shape for name, tensor in own.items()
    }:
        raise CheckpointRefused(f"{path}: saved for another architecture; train into an empty folder")
    agent.load_state_dict(now)
    state = optimizer.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("adam.", tensors).items():
        index, what = name.split(".", 1)
        moments.setdefault(int(index), {})[what] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    rng.bit_generator.state = head["rng"]
    extra.update(_under("extra.", tensors))
    return Cursor(
        best=_under("best.", tensors),
        update=head["update"],
        best_update=head["best_update"],
        best_bps=head["best_bps"],
        best_score=head.get("best_score", head["best_bps"]),
        stale=head["stale"],
        curve=head["curve"],
        torch_rng=tensors.get("torch_rng"),
    )


def _under(prefix: str, tensors: Weights) -> Weights:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
