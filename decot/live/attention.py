"""How much each answer weighs in the judge's summary, for display. Knows an agent's packed weights; needs no torch.

The weights are a function of the answers alone: softmax over the asked steps of
weigh · meaning[step, answer] (see `Agent.judgement`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import numpy.typing as npt

from decot.model.vocabulary import NAMES, SIZES
from decot.model.weights import Packed

Array = npt.NDArray[np.float32]


def attention_of(net: Packed) -> Callable[[npt.NDArray[np.int8]], dict[str, float]]:
    """words (9,) → question → weight; the weights of the asked questions sum to one."""
    meaning, weigh = _parts(net)
    table = meaning @ weigh
    order = [NAMES.index(name) for name in net.cfg.questions]
    rows = np.arange(len(order))

    def attention(words: npt.NDArray[np.int8]) -> dict[str, float]:
        logits = table[rows, np.asarray(words)[order]]
        weight = np.exp(logits - logits.max())
        weight /= weight.sum()
        told = {NAMES[k]: float(x) for k, x in zip(order, weight)}
        return {name: told[name] for name in NAMES if name in told}

    return attention


def _parts(net: Packed) -> tuple[Array, Array]:
    """`Net.meaning` (K, A, D) and `Net.weigh` (D,), found by the order in which `pack` laid them down."""
    kernel, n_in, n_out, hidden, steps, width, wide, glance, answers = (int(n) for n in net.ints[:9])
    sight = 2 * steps * width + steps * wide + 5
    before = (
        (kernel, n_in, n_out), (n_out,), (n_out, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,),
        (hidden, sight), (sight,), (n_in, glance), (glance,), (glance, steps * wide),
        (steps, 5, wide), (steps, wide), (steps, width, wide), (steps, wide, answers), (steps, answers),
    )  # fmt: skip
    first = sum(prod(shape) for shape in before)
    last = first + steps * answers * width
    return net.flat[first:last].reshape(steps, answers, width), net.flat[last : last + width]


assert len(NAMES) == len(SIZES)
