"""One tick, from a bar to a decision with its words, in microseconds, beside the same network run over its window.

`python -m benchmarks.latency --json`. The peers re-run the trunk over the last 100 rows at every tick, as most RL traders
do; ours carries the state. Same weights' shapes, one thread, interleaved rounds in one process. Ratios are of CPU time
(what a neighbour on the machine takes is not counted); wall time stands beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from decot.features.config import FeatureConfig
from decot.features.observation import OBSERVATION
from decot.model.agent import Agent, ModelConfig
from decot.model.play import packed
from decot.model.stream import StreamAgent

WINDOW = 100
TARGET = 5.0
"""our p99 may be at most 1/5 of onnxruntime's p50 on the window"""


class Windowed(torch.nn.Module):
    """What a windowed agent computes at one tick: the trunk over 100 rows, then one decision, in torch's operations."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent
        self.agent.is_fused = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.agent.trunk(x)
        y = y[:, -1:]
        out = self.agent.reason(y, self.agent.glance(x[:, -1:]), self.agent.foresee(y))
        return self.agent.decision(out)


def timed(call: Callable[[int], Any], n: int) -> np.ndarray:
    """(n, 2) nanoseconds of n calls, one by one: this thread's CPU, and the wall's."""
    spent = np.empty((n, 2))
    for i in range(n):
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        call(i)
        spent[i] = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
    return spent


def figures(spent: np.ndarray) -> dict[str, float]:
    """Medians and 99 % points, microseconds."""
    names = ("p50_us", "p99_us", "wall_p50_us", "wall_p99_us")
    points = np.percentile(spent, [50, 99], axis=0).T.ravel() / 1e3
    return {name: round(float(point), 1) for name, point in zip(names, points)}


def whole_tick(agent: Agent, n: int) -> Callable[[int], Any]:
    """A bar through features, observation, scaler, regime filter and agent."""
    from decot.context.regimes import RegimeConfig, RegimeFilter, RegimeInputs, fit, regime_inputs
    from decot.data.bars import build_bars
    from decot.data.worlds import WorldConfig, make_world
    from decot.features.kernel import BAR_INPUTS
    from decot.features.observation import observe_row
    from decot.features.scaler import Scaler
    from decot.features.stream import Stream

    bars = build_bars(make_world(WorldConfig(days=1, seconds_per_day=max(3_000, n + 600))), 1_000)
    rows = bars.select(BAR_INPUTS).to_numpy()
    times = bars["timestamp"].to_numpy()
    cfg = RegimeConfig()
    model = fit(regime_inputs(bars["close"].to_numpy()[:2_500], cfg), cfg)
    inputs, regimes, stream = RegimeInputs(cfg), RegimeFilter(model), Stream(FeatureConfig())
    close = BAR_INPUTS.index("close")
    unknown = np.zeros(25)
    scaler = Scaler.fit(np.random.default_rng(0).normal(size=(500, len(OBSERVATION))))
    mind = StreamAgent(agent)

    def tick(i: int) -> Any:
        kernel = stream.step(int(times[i]), rows[i])
        regime = regimes.step(inputs.step(float(rows[i, close])))
        seen = scaler.apply(observe_row(np.concatenate([kernel, regime, unknown]))[None])[0]
        step = mind.step(seen, 0)
        return step.say("en")

    return tick


def onnx_session(agent: Agent) -> Any:
    """onnxruntime on the windowed network, or None when it or the exporter is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx")):
        return None
    import onnxruntime

    file = io.BytesIO()
    warnings.simplefilter("ignore")
    torch.onnx.export(
        Windowed(agent).eval(),
        (torch.zeros(1, WINDOW, agent.cfg.n_features),),
        file,
        input_names=["x"],
        dynamo=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file.getvalue(), options)


def measure(n: int = 4_000) -> dict[str, Any]:
    """Rounds of ours and of each peer, one after the other."""
    torch.set_num_threads(1)
    cfg = ModelConfig(n_features=len(OBSERVATION), conv_filters=32, lstm_units=64)
    agent = Agent(cfg, 0).eval()
    obs = np.random.default_rng(0).normal(size=(n + WINDOW, cfg.n_features)).astype(np.float32)
    stream, windowed, session = StreamAgent(packed(agent)), Windowed(agent).eval(), onnx_session(agent)
    tick = whole_tick(agent, n)

    def eager(i: int) -> Any:
        with torch.no_grad():
            return windowed(torch.from_numpy(obs[None, i : i + WINDOW]))

    calls: dict[str, tuple[Callable[[int], Any], int]] = {
        "ours": (lambda i: stream.step(obs[i], 0), n),
        "ours-whole-tick": (tick, n // 2),
        "torch-eager-window": (eager, max(200, n // 10)),
    }
    if session is not None:
        calls["onnxruntime-window"] = (
            lambda i: session.run(None, {"x": obs[None, i : i + WINDOW]}),
            max(200, n // 4),
        )
    spent: dict[str, list[np.ndarray]] = {name: [] for name in calls}
    for call, _ in calls.values():
        for i in range(3):
            call(i)
    offset = dict.fromkeys(calls, 3)
    for turn in range(4):
        for name, (call, count) in calls.items():
            share = count // 4
            first = offset[name] if name == "ours-whole-tick" else turn * share
            spent[name].append(timed(lambda i, call=call, first=first: call(first + i), share))
            offset[name] += share
    seen = {name: figures(np.concatenate(parts)) for name, parts in spent.items()}
    peers = {name: figure for name, figure in seen.items() if not name.startswith("ours")}
    ratios = {name: round(figure["p50_us"] / seen["ours"]["p99_us"], 2) for name, figure in peers.items()}
    targets = {"onnxruntime-window": TARGET}
    return {
        "name": "latency",
        "ours": {
            "network_and_words": seen["ours"],
            "features_regime_network_words_sentence": seen["ours-whole-tick"],
        },
        "peers": peers,
        "skipped": []
        if session is not None
        else ["onnxruntime-window: onnxruntime and onnx are not installed"],
        "ratios": ratios,
        "targets": targets,
        "met": all(ratios.get(name, 0.0) >= bound for name, bound in targets.items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ticks", type=int, default=4_000)
    options = parser.parse_args()
    found = measure(options.ticks)
    for name, figure in {**found["ours"], **found["peers"]}.items():
        print(
            f"{name:42s} p50 {figure['p50_us']:9.1f} µs   p99 {figure['p99_us']:9.1f} µs   "
            f"(wall {figure['wall_p50_us']:.1f} / {figure['wall_p99_us']:.1f})",
            file=sys.stderr,
        )
    print(json.dumps(found) if options.json else found["ratios"])


if __name__ == "__main__":
    main()
