"""The trunk in plain loops and matrix products, forth and back, with a state carried from stretch to stretch.

Rows are ordered by time first, then by lane, so that one tick of all lanes lies together. The same function as
`Agent.trunk` with average pooling and no dropout, to rounding. No fast-math. Knows no words.

Letters: T rows of a stretch, B lanes, N = T·B, F features, C filters, H units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from decot.model.config import ModelConfig
from decot.model.smooth import sigmoid, tanh


class TrunkRoom(NamedTuple):
    """What a pass leaves behind for its way back."""

    z: Any
    """(T + pool − 1, B, C) after the convolution"""
    pooled: Any
    """(N, C)"""
    gates: Any
    """(T, B, 4H); on the way back, their gradient"""
    h: Any
    """(T + 1, B, H); the first is what was carried in"""
    c: Any
    bent: Any
    """(T, B, H) tanh of the cell"""
    turned: Any
    """(B, 4H)"""
    across: Any
    """(H, 4H) `turn` laid the other way, which products of few lanes want"""
    dz: Any
    dpooled: Any
    dh: Any
    dc: Any


def trunk_room(cfg: ModelConfig, rows: int, lanes: int) -> TrunkRoom:
    """Memory for stretches of this size, taken once."""
    c, h = cfg.conv_filters, cfg.lstm_units
    shapes = (
        (rows + cfg.pool - 1, lanes, c), (rows * lanes, c), (rows, lanes, 4 * h), (rows + 1, lanes, h),
        (rows + 1, lanes, h), (rows, lanes, h), (lanes, 4 * h), (h, 4 * h), (rows + cfg.pool - 1, lanes, c),
        (rows * lanes, c), (lanes, h), (lanes, h),
    )  # fmt: skip
    return TrunkRoom(*(np.zeros(shape, np.float32) for shape in shapes))


@njit(cache=True, error_model="numpy")
def frames(tape: Any, starts: Any, kernel: int, pool: int, rows: int, out: Any) -> None:
    """What each convolution sees, ((T + pool − 1)·B, F·kernel); `starts` are the lanes' first rows."""
    lanes, n_features = len(starts), tape.shape[1]
    for t in range(rows + pool - 1):
        for b in range(lanes):
            first = starts[b] + t - (kernel + pool - 2)
            line = out[t * lanes + b]
            for j in range(kernel):
                for f in range(n_features):
                    line[f * kernel + j] = tape[first + j, f]


@njit(cache=True, error_model="numpy")
def trunk(w: Any, cols: Any, pool: int, room: Any) -> None:
    """From `frames` and the state in room.h[0], room.c[0] to room.h[1:]."""
    _convolve(w, cols, pool, room)
    n_rows, lanes, width = room.gates.shape
    np.dot(room.pooled, w.push.T, room.gates.reshape(n_rows * lanes, width))
    bias = w.push_bias + w.turn_bias
    room.across[:] = w.turn.T
    for t in range(n_rows):
        np.dot(room.h[t], room.across, room.turned)
        _tick(room.gates, room.turned, bias, room.c, room.bent, room.h, t)


@njit(cache=True, error_model="numpy")
def _convolve(w: Any, cols: Any, pool: int, room: Any) -> None:
    lanes, filters = room.z.shape[1], room.z.shape[2]
    z, pooled, bias, zero = room.z.reshape(-1, filters), room.pooled, w.conv_bias, np.float32(0)
    np.dot(cols, w.conv.T, z)
    for i in range(z.shape[0]):
        for j in range(filters):
            z[i, j] = max(z[i, j] + bias[j], zero)
    share = np.float32(1) / np.float32(pool)
    for i in range(pooled.shape[0]):
        for j in range(filters):
            total = z[i, j]
            for k in range(1, pool):
                total += z[i + k * lanes, j]
            pooled[i, j] = total * share


@njit(cache=True, error_model="numpy")
def _tick(gates: Any, turned: Any, bias: Any, c: Any, bent: Any, h: Any, t: int) -> None:
    """One row of every lane: gates from what they are pushed by, then cell and output."""
    lanes, width = turned.shape
    units = width // 4
    for b in range(lanes):
        for j in range(2 * units):
            gates[t, b, j] = sigmoid(gates[t, b, j] + turned[b, j] + bias[j])
        for j in range(2 * units, 3 * units):
            gates[t, b, j] = tanh(gates[t, b, j] + turned[b, j] + bias[j])
        for j in range(3 * units, width):
            gates[t, b, j] = sigmoid(gates[t, b, j] + turned[b, j] + bias[j])
        for j in range(units):
            c[t + 1, b, j] = gates[t, b, units + j] * c[t, b, j] + gates[t, b, j] * gates[t, b, 2 * units + j]
        for j in range(units):
            bent[t, b, j] = tanh(c[t + 1, b, j])
        for j in range(units):
            h[t + 1, b, j] = gates[t, b, 3 * units + j] * bent[t, b, j]


@njit(cache=True, error_model="numpy")
def trunk_back(w: Any, d: Any, cols: Any, pool: int, dy: Any, room: Any) -> None:
    """The gradient of `trunk`: `dy` (N, H) comes in, weights' gradients are set in `d`; none flows into the state."""
    n_rows, lanes, width = room.gates.shape
    room.dh[:] = 0
    room.dc[:] = 0
    for t in range(n_rows - 1, -1, -1):
        _tick_back(room.gates, room.bent, room.c, dy, room.dh, room.dc, t)
        np.dot(room.gates[t], w.turn, room.dh)
    n, units = n_rows * lanes, width // 4
    dgates = room.gates.reshape(n, width)
    np.dot(dgates.T, room.h[:n_rows].reshape(n, units), d.turn)
    np.dot(dgates.T, room.pooled, d.push)
    _sum_rows(dgates, d.push_bias)
    d.turn_bias[:] = d.push_bias
    np.dot(dgates, w.push, room.dpooled)
    filters = room.z.shape[2]
    z, dz = room.z.reshape(-1, filters), room.dz.reshape(-1, filters)
    _pool_back(pool, lanes, room.dpooled, z, dz)
    _sum_rows(dz, d.conv_bias)
    np.dot(dz.T, cols, d.conv)


@njit(cache=True, error_model="numpy")
def _tick_back(gates: Any, bent: Any, c: Any, dy: Any, dh: Any, dc: Any, t: int) -> None:
    lanes, units = dh.shape
    u, one = units, np.float32(1)
    for b in range(lanes):
        row = t * lanes + b
        for j in range(units):
            i, f = gates[t, b, j], gates[t, b, u + j]
            g, o = gates[t, b, 2 * u + j], gates[t, b, 3 * u + j]
            whole, curve = dy[row, j] + dh[b, j], bent[t, b, j]
            inner = dc[b, j] + whole * o * (one - curve * curve)
            gates[t, b, j] = inner * g * i * (one - i)
            gates[t, b, u + j] = inner * c[t, b, j] * f * (one - f)
            gates[t, b, 2 * u + j] = inner * i * (one - g * g)
            gates[t, b, 3 * u + j] = whole * curve * o * (one - o)
            dc[b, j] = inner * f


@njit(cache=True, error_model="numpy")
def _sum_rows(x: Any, out: Any) -> None:
    """(n, m) → (m,)"""
    out[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


@njit(cache=True, error_model="numpy")
def _pool_back(pool: int, lanes: int, dpooled: Any, z: Any, dz: Any) -> None:
    share, zero = np.float32(1) / np.float32(pool), np.float32(0)
    n, filters = dpooled.shape
    for i in range(z.shape[0]):
        for j in range(filters):
            dz[i, j] = zero
        for k in range(max(0, i // lanes - n // lanes + 1), min(pool, i // lanes + 1)):
            for j in range(filters):
                dz[i, j] += dpooled[i - k * lanes, j]
        for j in range(filters):
            dz[i, j] = share * dz[i, j] if z[i, j] > zero else zero
