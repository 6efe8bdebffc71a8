"""An agent's weights laid out for the kernel. Knows their names and shapes; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from decot.model.config import FORESEEING, ModelConfig
from decot.model.vocabulary import FORECASTS, NAMES, SIZES

Array = npt.NDArray[np.float32]


class Net(NamedTuple):
    """The weights of one agent, as the loops want them; letters as in `kernel`. The order is the kernel's."""

    conv: Array
    """(k, F, C)"""
    conv_bias: Array
    lstm_in: Array
    """(C, 4H), gates input, forget, cell, output"""
    lstm_back: Array
    """(H, 4H)"""
    lstm_bias: Array
    sight: Array
    """(H, 2·K·D + K·S + 5) what each step sees, asks and reads, then the forecasts"""
    sight_bias: Array
    glance: Array
    """(F, G)"""
    glance_bias: Array
    read_glance: Array
    """(G, K·S)"""
    expect: Array
    """(K, 5, S) how a foreseeing step reads the forecasts; zero elsewhere"""
    expect_bias: Array
    """(K, S)"""
    foresees: npt.NDArray[np.int64]
    """(K,)"""
    recall: Array
    """(K, D, S)"""
    answer: Array
    """(K, S, A)"""
    answer_bias: Array
    """(K, A)"""
    meaning: Array
    """(K, A, D)"""
    sizes: npt.NDArray[np.int64]
    """(K,)"""
    order: npt.NDArray[np.int64]
    """(K,) which of the nine questions each step asks"""
    weigh: Array
    """(D,)"""
    judge_summary: Array
    """(D, J)"""
    judge_words: Array
    """(K, A, J) what each answer adds to the judge"""
    judge_past: Array
    """(H, J), or no rows"""
    judge_bias: Array
    heads: Array
    """(J, 15) policy 9, value 3, exit 3"""
    heads_bias: Array
    forecast_mean: Array
    forecast_scale: Array
    tilt: Array
    """(1,)"""
    pool: int
    is_max: int


def net_of(cfg: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Net:
    """A checkpoint's arrays, turned and padded."""
    n_steps, width, wide = len(cfg.questions), cfg.word_width, cfg.step_width
    n_hidden, n_answers = cfg.lstm_units, max(SIZES)
    order = [NAMES.index(name) for name in cfg.questions]

    def turned(name: str) -> Array:
        return np.ascontiguousarray(arrays[f"{name}.weight"].T, np.float32)

    def bias(name: str) -> Array:
        return np.ascontiguousarray(arrays[f"{name}.bias"], np.float32)

    def padded(shape: tuple[int, ...]) -> Array:
        return np.zeros((n_steps, *shape), np.float32)

    answer, answer_bias, meaning = padded((wide, n_answers)), padded((n_answers,)), padded((n_answers, width))
    recall, expect, expect_bias = padded((width, wide)), padded((len(FORECASTS), wide)), padded((wide,))
    for k, name in enumerate(cfg.questions):
        size = SIZES[order[k]]
        answer[k, :, :size], answer_bias[k, :size] = turned(f"answer.{k}"), bias(f"answer.{k}")
        meaning[k, :size] = arrays[f"meaning.{k}"]
        recall[k] = turned(f"recall.{k}")
        if name in FORESEEING:
            place = FORESEEING.index(name)
            expect[k], expect_bias[k] = turned(f"expect.{place}"), bias(f"expect.{place}")
    read = turned("read")
    judge = turned("judge")
    words = judge[width : (n_steps + 1) * width].reshape(n_steps, width, -1)
    return Net(
        conv=np.ascontiguousarray(arrays["conv.weight"].transpose(2, 1, 0), np.float32),
        conv_bias=bias("conv"),
        lstm_in=np.ascontiguousarray(arrays["lstm.weight_ih_l0"].T, np.float32),
        lstm_back=np.ascontiguousarray(arrays["lstm.weight_hh_l0"].T, np.float32),
        lstm_bias=(arrays["lstm.bias_ih_l0"] + arrays["lstm.bias_hh_l0"]).astype(np.float32),
        sight=np.ascontiguousarray(
            np.concatenate([turned("see"), turned("ask"), read[:n_hidden], turned("foresee")], 1)
        ),
        sight_bias=np.concatenate([bias("see"), bias("ask"), bias("read"), bias("foresee")]),
        glance=turned("glance"),
        glance_bias=bias("glance"),
        read_glance=np.ascontiguousarray(read[n_hidden:]),
        expect=expect,
        expect_bias=expect_bias,
        foresees=np.array([name in FORESEEING for name in cfg.questions], np.int64),
        recall=recall,
        answer=answer,
        answer_bias=answer_bias,
        meaning=meaning,
        sizes=np.array([SIZES[k] for k in order], np.int64),
        order=np.array(order, np.int64),
        weigh=np.ascontiguousarray(arrays["weigh.weight"][0], np.float32),
        judge_summary=np.ascontiguousarray(judge[:width]),
        judge_words=np.ascontiguousarray(np.einsum("kad,kdj->kaj", meaning, words), np.float32),
        judge_past=np.ascontiguousarray(judge[(n_steps + 1) * width :]),
        judge_bias=bias("judge"),
        heads=np.ascontiguousarray(np.concatenate([turned("policy"), turned("value"), turned("exit")], 1)),
        heads_bias=np.concatenate([bias("policy"), bias("value"), bias("exit")]),
        forecast_mean=np.ascontiguousarray(arrays["forecast_mean"], np.float32),
        forecast_scale=np.ascontiguousarray(arrays["forecast_scale"], np.float32),
        tilt=np.array([cfg.value_tilt], np.float32),
        pool=cfg.pool,
        is_max=int(cfg.pool_kind == "max"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """An agent for the kernel: two flat arrays, and the state before anything was seen."""

    cfg: ModelConfig
    flat: Array
    ints: npt.NDArray[np.int64]
    start: Array

    def memory(self) -> tuple[Array, npt.NDArray[np.int64]]:
        """A fresh carried state."""
        return self.start.copy(), np.zeros(1, np.int64)


def pack(cfg: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Packed:
    """Everything the kernel needs, in the order of `Net` and of `kernel.run`."""
    net = net_of(cfg, arrays)
    whole = (net.foresees, net.sizes, net.order)
    floats = [x for x in net if isinstance(x, np.ndarray) and x.dtype == np.float32]
    kernel, n_features, n_filters = net.conv.shape
    n_steps, width, wide = net.recall.shape
    shape = (
        kernel,
        n_features,
        n_filters,
        cfg.lstm_units,
        n_steps,
        width,
        wide,
        cfg.glance_width,
        net.answer.shape[2],
    )
    rest = (cfg.judge_width, len(net.judge_past), net.pool, net.is_max)
    still = np.tile(np.maximum(net.conv_bias, 0), net.pool)
    start = np.concatenate([np.zeros(kernel * n_features), still, np.zeros(2 * cfg.lstm_units)])
    return Packed(
        cfg,
        np.concatenate([x.ravel() for x in floats]),
        np.concatenate([np.array([*shape, *rest], np.int64), *whole]).astype(np.int64),
        start.astype(np.float32),
    )
