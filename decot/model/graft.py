"""What a new agent takes over from an older one of another shape. Knows weights and words; knows no training.

Where the new agent is at least as wide, it says and does what the old one did: what is new is silent at first, by zero
weights on one side of it (its way out for filters and units, its way in for the width of a word), so that it can be
taught from there. Where it is narrower, the loudest filters, units and widths are kept. Steps are carried by
the question they ask. After the idea of function-preserving growth (Net2Net, arXiv 1511.05641, sec. 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from decot.errors import CheckpointRefused
from decot.model.agent import Agent
from decot.model.checkpoint import Arrays, arrays_of, put
from decot.model.config import FORESEEING, ModelConfig

Rows = npt.NDArray[np.int64]
FIXED = ("n_features", "step_width", "glance_width", "judge_width", "unrestricted")
"""what two agents must share for one to take over from the other"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graft:
    """What was taken over."""

    is_exact: bool
    """the new agent answers as the old one did, up to the order of sums"""
    carried: float
    """share of the old agent's filters, taps, units, word widths and steps that live on"""


class Match(NamedTuple):
    """Which places of the old axis go to which of the new."""

    old: Rows
    new: Rows


def graft(agent: Agent, cfg: ModelConfig, old: Arrays) -> Graft:
    """Give `agent` what it can take over from the weights `old` of an agent of configuration `cfg`.

    Raises:
        CheckpointRefused: they see other rows, or differ in what no gene changes.
    """
    mine = agent.cfg
    apart = [name for name in FIXED if getattr(cfg, name) != getattr(mine, name)]
    if apart:
        told = ", ".join(f"{name} {getattr(cfg, name)} → {getattr(mine, name)}" for name in apart)
        raise CheckpointRefused(f"nothing can be taken over between agents that differ in {told}")
    new = {name: np.array(array) for name, array in arrays_of(agent).items()}
    filters = _match(cfg.conv_filters, mine.conv_filters, _power(old["lstm.weight_ih_l0"], 1))
    units = _match(cfg.lstm_units, mine.lstm_units, _unit_power(old))
    width = _match(cfg.word_width, mine.word_width, _width_power(cfg, old))
    steps = [(cfg.questions.index(name), k) for k, name in enumerate(mine.questions) if name in cfg.questions]
    _trunk(new, old, filters, units)
    _views(new, old, (cfg, mine), units, width, steps)
    _words(new, old, width, steps)
    _judgement(new, old, (cfg, mine), units, width, steps)
    put(agent, new)
    kept = [
        (len(filters.old), cfg.conv_filters),
        (min(cfg.kernel, mine.kernel), cfg.kernel),
        (len(units.old), cfg.lstm_units),
        (len(width.old), cfg.word_width),
        (len(steps), len(cfg.questions)),
    ]
    same = ("questions", "pool", "pool_kind", "value_tilt")
    is_exact = all(a == b for a, b in kept) and all(getattr(cfg, s) == getattr(mine, s) for s in same)
    return Graft(is_exact=is_exact, carried=float(np.mean([a / b for a, b in kept])))


def _match(n_old: int, n_new: int, power: npt.NDArray[np.float64]) -> Match:
    """All of a narrower axis; the loudest of a wider one, in their order."""
    if n_new >= n_old:
        return Match(np.arange(n_old), np.arange(n_old))
    loudest = np.sort(np.argsort(-power, kind="stable")[:n_new])
    return Match(loudest, np.arange(n_new))


def _power(weight: np.ndarray, axis: int) -> npt.NDArray[np.float64]:
    """Sum of squares of what leaves each place along an axis."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    return np.asarray((weight.astype(np.float64) ** 2).sum(others))


def _unit_power(old: Arrays) -> npt.NDArray[np.float64]:
    n_units = old["lstm.weight_hh_l0"].shape[1]
    ways = [old[f"{name}.weight"][:, :n_units] for name in ("see", "ask", "read", "foresee")]
    return _power(np.concatenate([old["lstm.weight_hh_l0"], *ways]), 1)


def _width_power(cfg: ModelConfig, old: Arrays) -> npt.NDArray[np.float64]:
    judge = old["judge.weight"][:, : (len(cfg.questions) + 1) * cfg.word_width]
    return _power(judge.reshape(len(judge), -1, cfg.word_width), 2)


def _trunk(new: Arrays, old: Arrays, filters: Match, units: Match) -> None:
    """Convolution and LSTM: taps end at the present; old units do not hear new filters and units."""
    taps_new, taps_old = new["conv.weight"].shape[2], old["conv.weight"].shape[2]
    both = min(taps_new, taps_old)
    conv = new["conv.weight"]
    conv[filters.new] = 0
    conv[filters.new, :, taps_new - both :] = old["conv.weight"][filters.old, :, taps_old - both :]
    new["conv.bias"][filters.new] = old["conv.bias"][filters.old]
    for name, heard in (("lstm.weight_ih_l0", filters), ("lstm.weight_hh_l0", units)):
        mine, theirs = _gates(new[name]), _gates(old[name])
        mine[:, units.new] = 0
        mine[np.ix_(np.arange(4), units.new, heard.new)] = theirs[np.ix_(np.arange(4), units.old, heard.old)]
    for name in ("lstm.bias_ih_l0", "lstm.bias_hh_l0"):
        _gates(new[name])[:, units.new] = _gates(old[name])[:, units.old]


def _views(
    new: Arrays,
    old: Arrays,
    cfgs: tuple[ModelConfig, ModelConfig],
    units: Match,
    width: Match,
    steps: list[tuple[int, int]],
) -> None:
    """What each step sees, asks, reads and forecasts from the units."""
    n_old, n_new = cfgs[0].lstm_units, cfgs[1].lstm_units
    louder = (cfgs[1].word_width / cfgs[0].word_width) ** 0.5  # what is asked is divided by √width
    by_step = {"see": (width, 1.0), "ask": (width, louder)}
    for name, (across, gain) in by_step.items():
        mine, theirs = (_steps(x[f"{name}.weight"], c) for x, c in zip((new, old), cfgs[::-1]))
        bias, theirs_bias = (_steps(x[f"{name}.bias"], c) for x, c in zip((new, old), cfgs[::-1]))
        for before, after in steps:
            if name == "see":  # a width nobody has seen yet is zero; what is asked of it does not matter then
                mine[after], bias[after] = 0, 0
            mine[after, across.new] = 0
            mine[after][np.ix_(across.new, units.new)] = theirs[before][np.ix_(across.old, units.old)] * gain
            bias[after, across.new] = theirs_bias[before, across.old] * gain
    read, theirs = (_steps(x["read.weight"], c) for x, c in zip((new, old), cfgs[::-1]))
    bias, theirs_bias = (_steps(x["read.bias"], c) for x, c in zip((new, old), cfgs[::-1]))
    for before, after in steps:
        read[after][:, :n_new] = 0
        read[after][:, units.new] = theirs[before][:, units.old]
        read[after][:, n_new:] = theirs[before][:, n_old:]
        bias[after] = theirs_bias[before]
    new["foresee.weight"][:] = 0
    new["foresee.weight"][:, units.new] = old["foresee.weight"][:, units.old]
    for name in ("foresee.bias", "glance.weight", "glance.bias"):
        new[name] = old[name]


def _words(new: Arrays, old: Arrays, width: Match, steps: list[tuple[int, int]]) -> None:
    """What each answer means, and how earlier answers are recalled."""
    for before, after in steps:
        new[f"recall.{after}.weight"][:, width.new] = old[f"recall.{before}.weight"][:, width.old]
        new[f"meaning.{after}"][:] = 0
        new[f"meaning.{after}"][:, width.new] = old[f"meaning.{before}"][:, width.old]
        for part in ("weight", "bias"):
            new[f"answer.{after}.{part}"] = old[f"answer.{before}.{part}"]
    for k in range(len(FORESEEING)):
        for part in ("weight", "bias"):
            new[f"expect.{k}.{part}"] = old[f"expect.{k}.{part}"]
    new["weigh.weight"][:, width.new] = old["weigh.weight"][:, width.old]
    new["weigh.bias"] = old["weigh.bias"]


def _judgement(
    new: Arrays,
    old: Arrays,
    cfgs: tuple[ModelConfig, ModelConfig],
    units: Match,
    width: Match,
    steps: list[tuple[int, int]],
) -> None:
    """The judge hears the carried answers as before and new ones not at all; heads and units are the old ones."""
    judge, theirs = new["judge.weight"], old["judge.weight"]
    n_old, n_new = cfgs[0].word_width, cfgs[1].word_width
    for after in set(range(len(cfgs[1].questions))) - {after for _, after in steps}:
        judge[:, (after + 1) * n_new : (after + 2) * n_new] = 0
    for before, after in [(-1, -1), *steps]:
        at, was = (after + 1) * n_new, (before + 1) * n_old
        judge[:, at + width.new] = theirs[:, was + width.old]
    if cfgs[1].unrestricted:
        at, was = (len(cfgs[1].questions) + 1) * n_new, (len(cfgs[0].questions) + 1) * n_old
        judge[:, at:] = 0
        judge[:, at + units.new] = theirs[:, was + units.old]
    for name in ("policy", "value", "exit"):
        for part in ("weight", "bias"):
            new[f"{name}.{part}"] = old[f"{name}.{part}"]
    for name in ("judge.bias", "forecast_mean", "forecast_scale", "value_unit"):
        new[name] = old[name]


def _gates(x: np.ndarray) -> np.ndarray:
    """(4·H, …) as (4, H, …), a view."""
    return x.reshape(4, x.shape[0] // 4, *x.shape[1:])


def _steps(x: np.ndarray, cfg: ModelConfig) -> np.ndarray:
    """(K·n, …) as (K, n, …), a view."""
    n_steps = len(cfg.questions)
    return x.reshape(n_steps, x.shape[0] // n_steps, *x.shape[1:])
