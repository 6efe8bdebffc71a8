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
    units, one = width // 4, np.float32(1)
    bias, steep = np.empty(lanes * width, np.float32), np.empty(lanes * width, np.float32)
    for j in range(lanes * width):
        k = j % width
        bias[j], steep[j] = w.push_bias[k] + w.turn_bias[k], one + one if k // units == 2 else one
    room.across[:] = w.turn.T
    for t in range(n_rows):
        np.dot(room.h[t], room.across, room.turned)
        _tick(room.gates, room.turned.reshape(-1), bias, steep, room.c, room.bent, room.h, t)


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
def _tick(gates: Any, turned: Any, bias: Any, steep: Any, c: Any, bent: Any, h: Any, t: int) -> None:
    """One row of every lane: gates from what they are pushed by, then cell and output; tanh(x) is 2·sigmoid(2x) − 1."""
    lanes, units = c.shape[1], c.shape[2]
    flat, gate = gates[t].reshape(-1), gates[t].reshape(lanes, 4, units)
    for j in range(flat.shape[0]):
        flat[j] = (flat[j] + turned[j] + bias[j]) * steep[j]
    _sigmoids(flat)
    before, after, bend, out = c[t], c[t + 1], bent[t], h[t + 1]
    for b in range(lanes):
        for j in range(units):
            gate[b, 2, j] = np.float32(2) * gate[b, 2, j] - np.float32(1)
        for j in range(units):
            after[b, j] = gate[b, 1, j] * before[b, j] + gate[b, 0, j] * gate[b, 2, j]
    _tanhs(after.reshape(-1), bend.reshape(-1))
    for b in range(lanes):
        for j in range(units):
            out[b, j] = gate[b, 3, j] * bend[b, j]


@njit(cache=True, error_model="numpy")
def _sigmoids(x: Any) -> None:
    """In place; a loop over one array alone is one the machine does eight at a time."""
    for j in range(x.shape[0]):
        x[j] = sigmoid(x[j])


@njit(cache=True, error_model="numpy")
def _tanhs(x: Any, out: Any) -> None:
    for j in range(x.shape[0]):
        out[j] = tanh(x[j])


@njit(cache=True, error_model="numpy")
def trunk_back(w: Any, d: Any, cols: Any, pool: int, dy: Any, room: Any) -> None:
    """The gradient of `trunk`: `dy` (N, H) comes in, weights' gradients are set in `d`; none flows into the state."""
    n_rows, lanes, width = room.gates.shape
    room.dh[:] = 0
    room.dc[:] = 0
    gates = room.gates.reshape(n_rows, lanes, 4, width // 4)
    for t in range(n_rows - 1, -1, -1):
        _tick_back(gates, room.bent, room.c, dy, room.dh, room.dc, t)
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
    """The gates of one row become their gradients; short loops over few arrays, which the machine does eight at a time."""
    lanes, units = dh.shape
    gate, bend, before, down, one = gates[t], bent[t], c[t], dy[t * lanes : (t + 1) * lanes], np.float32(1)
    for b in range(lanes):
        for j in range(units):
            dh[b, j] += down[b, j]
        for j in range(units):
            dc[b, j] += dh[b, j] * gate[b, 3, j] * (one - bend[b, j] * bend[b, j])
        for j in range(units):
            o = gate[b, 3, j]
            gate[b, 3, j] = dh[b, j] * bend[b, j] * o * (one - o)
        for j in range(units):
            i, g = gate[b, 0, j], gate[b, 2, j]
            gate[b, 0, j] = dc[b, j] * g * i * (one - i)
            gate[b, 2, j] = dc[b, j] * i * (one - g * g)
        for j in range(units):
            inner, f = dc[b, j], gate[b, 1, j]
            gate[b, 1, j] = inner * before[b, j] * f * (one - f)
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
