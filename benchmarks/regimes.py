"""What a causal regime posterior costs a bar, beside hmmlearn's smoother on a window of 100 rows, in one run.

    python -m benchmarks.regimes [--json] [--steps 20000]

Ours is the whole live step, from a mid to six probabilities (`RegimeInputs.step` and `RegimeFilter.step`); the
filter alone is given too. hmmlearn's `predict_proba` is given its 100 input rows ready-made, so it does less. It also
answers another question: it starts the chain anew in every window, and smooths. Figures are CPU microseconds, medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from decot.context.regimes import RegimeConfig, RegimeFilter, RegimeInputs, fit, posteriors, regime_inputs

TARGETS = {"hmmlearn": 50.0}
WINDOW = 100


def made_mid(rows: int, seed: int = 0) -> np.ndarray:
    """A walk whose volatility has three levels, a bar a second."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.integers(0, 3, rows // 300 + 1), 300)[:rows]
    return 90_000 * np.exp(np.cumsum(rng.normal(size=rows) * np.array([2e-5, 8e-5, 3e-4])[level]))


def micros(step: Callable[[int], Any], n: int, rounds: int = 5) -> float:
    """Median over the rounds of CPU microseconds a step."""
    step(0)
    found = []
    for _ in range(rounds):
        before = time.process_time()
        for i in range(n):
            step(i)
        found.append((time.process_time() - before) / n * 1e6)
    return statistics.median(found)


def measure(steps: int) -> dict[str, Any]:
    """Everything, as one plain dict."""
    mid = made_mid(50_000)
    x = regime_inputs(mid)
    before = time.process_time()
    model = fit(x, RegimeConfig())
    fit_s = time.process_time() - before
    inputs, filtering, alone = RegimeInputs(), RegimeFilter(model), RegimeFilter(model)
    posteriors(model, x[:10])
    before = time.process_time()
    posteriors(model, x)
    batch_rate = len(x) / (time.process_time() - before)
    ours = {
        "live_step_us": micros(lambda i: filtering.step(inputs.step(mid[i])), steps),
        "filter_step_us": micros(lambda i: alone.step(x[i]), steps),
        "batch_rows_per_cpu_s": batch_rate,
        "fit_cpu_s": fit_s,
        "fit_rows": len(x),
    }
    if importlib.util.find_spec("hmmlearn") is None:
        return {"ours": ours, "peers": {}, "ratios": {}}
    from hmmlearn.hmm import GaussianHMM

    peer = GaussianHMM(model.n_states, covariance_type="full")
    peer.startprob_, peer.transmat_ = model.start, model.move
    peer.means_, peer.covars_ = model.means[:, 0], model.covars[:, 0]
    agreed = max(
        float(np.abs(peer.predict_proba(x[: t + 1])[-1] - posteriors(model, x[: t + 1])[-1, :3]).max())
        for t in range(0, 2_000, 97)
    )
    window_us = micros(lambda i: peer.predict_proba(x[i : i + WINDOW]), max(steps // 40, 50))
    return {
        "ours": {**ours, "largest_difference_from_predict_proba_of_the_prefix": agreed},
        "peers": {"hmmlearn": {"predict_proba_100_rows_us": window_us}},
        "ratios": {
            "hmmlearn": window_us / ours["live_step_us"],
            "hmmlearn, filter alone": window_us / ours["filter_step_us"],
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 when every target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.regimes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=20_000)
    chosen = parser.parse_args(arguments)
    found = measure(chosen.steps)
    met = all(found["ratios"].get(name, 0.0) >= bound for name, bound in TARGETS.items())
    report = {"name": "regimes", **found, "targets": TARGETS, "met": met}
    if chosen.json:
        print(json.dumps(report))
    else:
        print(json.dumps(report, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
