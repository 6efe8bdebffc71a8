"""One gradient step in loops: trunk, words, judgement, losses and the way back, for a learner that carries its state.

What is taught is `rl.ppo` and `rl.lessons`: the clipped objective, entropy, the critic, forecasts, answers, and that a
rosier outlook leans to the long side (asked in about one row of eleven). A block of 64 rows is judged and blamed while it is
near. Knows no optimiser.

Letters: N rows of a batch, time first; n blocks of 64 of them; K steps, A answers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from decot.model.config import ModelConfig
from decot.model.flat import descend
from decot.model.fused_chain import BLOCK
from decot.model.smooth import exp, log
from decot.model.swift_mind import (
    Lanes,
    MindRoom,
    _add,
    answer_back,
    answer_steps,
    bias_lines,
    decide_back,
    fold,
    judge_back,
    judge_words,
    lanes_of,
    mind_room,
)
from decot.model.swift_trunk import TrunkRoom, trunk, trunk_back, trunk_room
from decot.model.vocabulary import OUTLOOK, SIZES

F = np.float32
OUTLOOKS = SIZES[OUTLOOK]
LEAST = F(1e-8)
"""below this a probability is as good as none: no gradient"""
TOLD = ("policy_loss", "entropy", "value_loss", "forecast_loss", "kl", "incoherence")


class Coefs(NamedTuple):
    """What each part weighs; the means are already in them."""

    clip: Any
    per_taught: Any
    """1 / rows whose decision is taught"""
    per_row: Any
    """1 / N"""
    entropy: Any
    value: Any
    forecast: Any
    coherence: Any
    margin: Any
    tilt: Any


class Batch(NamedTuple):
    """What a stretch of every lane shows and what its decisions were worth."""

    cols: Any
    """what the convolution sees"""
    obs: Any
    """(N, F)"""
    truth: Any
    """(n, K, 64) int64"""
    mark: Any
    """(K, A) what missing an answer costs"""
    wanted: Any
    """(n, 5, 64) forecasts"""
    old: Any
    """(n, 9, 64) log-probabilities of the policy that decided"""
    advantage: Any
    weight: Any
    stand: Any
    """(n, 3, 64) in value units"""
    share: Any
    """(n, 3, 64) how often each was met, of 1"""
    taught: Any
    """(n, 64) 1 where a decision is taught"""


class Room(NamedTuple):
    """All memory a gradient step needs, taken once."""

    trunk: TrunkRoom
    minds: MindRoom
    other: MindRoom
    lanes: Lanes
    words: Any
    """(n, K, 64) int64"""
    seen: Any
    """(N, H + G)"""
    glance: Any
    dy: Any
    dseen: Any
    dmore: Any
    dlines: Any
    dforeseen: Any
    dlog: Any
    down: Any
    dfound: Any
    dsaid: Any
    lean: Any
    dlooks: Any
    dread: Any
    dforesee: Any
    dglance: Any
    """products before they are added"""


def room_of(cfg: ModelConfig, rows: int, lanes: int) -> Room:
    k, d, s, h, g = (
        len(cfg.questions),
        cfg.word_width,
        cfg.step_width,
        cfg.lstm_units,
        cfg.glance_width,
    )
    n = rows * lanes
    shapes = (
        (n, h + g), (n, g), (n, h), (BLOCK, h + g), (BLOCK, h), (2 * k * d + k * s, BLOCK), (5, BLOCK), (9, BLOCK),
        (9 * BLOCK,), (15, BLOCK), (k * d, BLOCK), (BLOCK,), (2 * k * d, h), (k * s, h + g), (5, h), (g, cfg.n_features),
    )  # fmt: skip
    words = np.zeros((n // BLOCK, k, BLOCK), np.int64)
    memory = (np.zeros(shape, np.float32) for shape in shapes)
    minds = mind_room(cfg, n // BLOCK)
    return Room(trunk_room(cfg, rows, lanes), minds, mind_room(cfg), lanes_of(cfg), words, *memory)


@njit(cache=True, error_model="numpy")
def laid(x: Any, rows: int) -> Any:
    """(B, T', c) of the first T' of `rows` rows → (n, c, 64) blocks, time first; nothing in the rest."""
    lanes, n, depth = x.shape
    out = np.zeros((lanes * rows // BLOCK, depth, BLOCK), np.float32)
    for b in range(lanes):
        for t in range(n):
            at = t * lanes + b
            for i in range(depth):
                out[at // BLOCK, i, at % BLOCK] = x[b, t, i]
    return out


@njit(cache=True, error_model="numpy")
def _mind(a: Any, b: int) -> Any:
    """One block of many."""
    return MindRoom(
        a.lines[b], a.foreseen[b], a.weight[b], a.context[b], a.thought[b], a.logits[b], a.said[b],
        a.attention[b], a.heard[b], a.judged[b], a.found[b], a.probs[b],
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def look(w: Any, x: Any, pool: int, sizes: Any, foresees: Any, tilt: Any, room: Any) -> None:
    """The whole pass: from frames to probabilities, in room.minds."""
    trunk(w, x.cols, pool, room.trunk)
    n, units, sight = len(x.obs), w.turn.shape[1], len(w.looks)
    y = room.trunk.h[1:].reshape(n, units)
    np.dot(x.obs, w.glance.T, room.glance)
    for i in range(n):
        for j in range(units):
            room.seen[i, j] = y[i, j]
        for j in range(len(w.glance)):
            room.seen[i, units + j] = room.glance[i, j] + w.glance_bias[j]
    for b in range(n // BLOCK):
        m, c = _mind(room.minds, b), b * BLOCK
        np.dot(w.looks, y[c : c + BLOCK].T, m.lines[:sight])
        np.dot(w.read, room.seen[c : c + BLOCK].T, m.lines[sight:])
        bias_lines(m.lines[:sight], w.looks_bias)
        bias_lines(m.lines[sight:], w.read_bias)
        np.dot(w.foresee, y[c : c + BLOCK].T, m.foreseen)
        bias_lines(m.foreseen, w.foresee_bias)
        answer_steps(w, sizes, foresees, m, room.words[b])
        judge_words(w, m, tilt)


@njit(cache=True, error_model="numpy")
def learn(
    w: Any, d: Any, x: Any, adam: Any, pool: int, sizes: Any, foresees: Any, outlook: int, shift: int, c: Any, room: Any,
    told: Any, losses: Any,
) -> float:  # fmt: skip
    """All gradient steps on one batch that has been looked at and judged, in one call: entering a loop from Python costs
    as much as a twentieth of what it does. Gives the last gradient's norm; told and losses are of the last step."""
    n, norm = len(adam.first_share), 0.0
    for i in range(n):
        if i > 0:
            look(w, x, pool, sizes, foresees, c.tilt, room)
        told[:] = 0
        step_back(w, d, x, pool, sizes, foresees, outlook, shift + i, c, room, i == n - 1, told, losses)
        norm = descend(
            adam.weights, adam.grads, adam.first, adam.second, adam.rate, adam.decay, adam.first_share[i],
            adam.second_share[i], adam.most,
        )  # fmt: skip
    return norm


@njit(cache=True, error_model="numpy")
def logs(x: Any, out: Any) -> None:
    """Of probabilities, held above 1e-8; both one long line."""
    for i in range(x.shape[0]):
        out[i] = log(max(x[i], LEAST))


@njit(cache=True, error_model="numpy")
def _clipped(now: Any, old: Any, gain: Any, weight: Any, share: Any, clip: Any, out: Any) -> None:
    """The gradient of −weight·share·min(ratio·gain, clipped ratio·gain) by log-probability, ratio = e^(now − old).

    Loops over few arrays each: those the machine does eight at a time.
    """
    low, high = F(1) - clip, F(1) + clip
    for i in range(out.shape[0]):
        out[i] = exp(now[i] - old[i])
    for i in range(out.shape[0]):
        free, held = out[i] * gain[i], min(max(out[i], low), high) * gain[i]
        out[i] = free if free <= held else F(0)
    for i in range(out.shape[0]):
        out[i] *= -(weight[i] * share)


@njit(cache=True, error_model="numpy")
def _spread_out(probs: Any, entropy: Any, down: Any, dlog: Any) -> None:
    """dlog, log-probabilities so far, becomes the whole gradient by them: `down`, and that of −entropy."""
    for i in range(dlog.shape[0]):
        dlog[i] = down[i] + entropy * probs[i] * (dlog[i] + F(1)) if probs[i] > LEAST else F(0)


@njit(cache=True, error_model="numpy")
def _tell_policy(x: Any, b: int, m: Any, c: Any, now: Any, told: Any) -> None:
    """What the last of the steps on a batch puts in its line: loss, entropy and how far the policy has moved."""
    even = c.per_row / F(3)
    for i in range(9):
        for r in range(BLOCK):
            ratio, gain = exp(now[i, r] - x.old[b, i, r]), x.advantage[b, i, r]
            weight = x.weight[b, i, r] * c.per_taught
            held = min(max(ratio, F(1) - c.clip), F(1) + c.clip) * gain
            told[0, r] -= weight * min(ratio * gain, held)
            told[1, r] -= m.probs[i, r] * now[i, r] * even
            told[4, r] += weight * (x.old[b, i, r] - now[i, r])


@njit(cache=True, error_model="numpy")
def _blame(x: Any, b: int, m: Any, c: Any, room: Any, is_told: bool, told: Any) -> None:
    """What the losses say of one block: gradients of log-probabilities, values and forecasts, in `room`."""
    dlog, dfound, dforeseen = room.dlog, room.dfound, room.dforeseen
    logs(m.probs.reshape(-1), dlog.reshape(-1))
    if is_told:
        _tell_policy(x, b, m, c, dlog, told)
    _clipped(
        dlog.reshape(-1), x.old[b].reshape(-1), x.advantage[b].reshape(-1), x.weight[b].reshape(-1), c.per_taught,
        c.clip, room.down,
    )  # fmt: skip
    _spread_out(m.probs.reshape(-1), c.entropy * (c.per_row / F(3)), room.down, dlog.reshape(-1))
    for r in range(BLOCK):
        s = w = total = F(0)
        for a in range(3):
            s += x.share[b, a, r] * m.found[9 + a, r]
            w += x.share[b, a, r] * x.stand[b, a, r]
        count = x.taught[b, r] * c.per_taught
        for a in range(3):
            apart = (m.found[9 + a, r] - s) - (x.stand[b, a, r] - w)
            dfound[9 + a, r] = min(max(apart, F(-1)), F(1)) * x.share[b, a, r]
            total += dfound[9 + a, r]
            if is_told:
                told[2, r] += count * x.share[b, a, r] * _smooth(apart)
        if is_told:
            told[2, r] += F(0.1) * count * _smooth(s - w)
        common = F(0.1) * min(max(s - w, F(-1)), F(1)) - total
        for a in range(3):
            dfound[9 + a, r] = c.value * count * (dfound[9 + a, r] + x.share[b, a, r] * common)
    pull = c.forecast * F(0.4) * c.per_row
    for i in range(5):
        for r in range(BLOCK):
            dforeseen[i, r] = pull * (m.foreseen[i, r] - x.wanted[b, i, r])
    if is_told:
        for i in range(5):
            for r in range(BLOCK):
                off = m.foreseen[i, r] - x.wanted[b, i, r]
                told[3, r] += off * off * c.per_row * F(0.2)


@njit(cache=True, error_model="numpy")
def _smooth(x: Any) -> Any:
    return F(0.5) * x * x if abs(x) < F(1) else abs(x) - F(0.5)


@njit(cache=True, error_model="numpy")
def _intervene(
    w: Any, d: Any, m: Any, o: Any, lanes: Any, step: int, shift: int, n: int, c: Any, room: Any, told: Any
) -> None:
    """Say each outlook in turn in some rows of a block: how far a rosier one falls short of leaning to the long side."""
    size, width = OUTLOOKS, w.weigh.shape[0]
    rows = BLOCK // size
    for i in range(rows):
        asked = (shift + 5 * i) % BLOCK
        for j in range(m.said.shape[0]):
            said = m.said[j, asked]
            for a in range(size):
                o.said[j, i * size + a] = said
    for j in range(width):
        for i in range(rows):
            for a in range(size):
                o.said[step * width + j, i * size + a] = w.meaning[step, a, j]
    judge_words(w, o, c.tilt)
    dlog, share, lean = room.dlog, F(1) / F(n * rows * (size - 1)), room.lean
    logs(o.probs.reshape(-1), dlog.reshape(-1))
    for r in range(BLOCK):
        lean[r] = ((dlog[2, r] + dlog[5, r] + dlog[8, r]) - (dlog[0, r] + dlog[3, r] + dlog[6, r])) / F(3)
    dlog[:] = 0
    room.dfound[:] = 0
    pull = c.coherence * share / F(3)
    for i in range(rows):
        for low in range(i * size, i * size + size - 1):
            short = c.margin - (lean[low + 1] - lean[low])
            if short > F(0):
                told[5, low] += short * share
                for p in range(3):
                    dlog[3 * p + 2, low + 1] -= pull
                    dlog[3 * p + 2, low] += pull
                    dlog[3 * p, low + 1] += pull
                    dlog[3 * p, low] -= pull
    for i in range(9):
        for r in range(BLOCK):
            dlog[i, r] = dlog[i, r] if o.probs[i, r] > LEAST else F(0)
    decide_back(o, dlog, room.dfound)
    judge_back(w, d, o, lanes, room.dfound, room.dsaid)
    for i in range(rows):
        for a in range(size):
            for j in range(width):
                d.meaning[step, a, j] += room.dsaid[step * width + j, i * size + a]


@njit(cache=True, error_model="numpy")
def step_back(
    w: Any, d: Any, x: Any, pool: int, sizes: Any, foresees: Any, outlook: int, shift: int, c: Any, room: Any,
    is_told: bool, told: Any, losses: Any,
) -> None:  # fmt: skip
    """After `look`: the gradient of the loss, added to d; told (6, 64) and, if wanted, losses (K,) are sums of the parts."""
    n, units, sight = len(x.obs), w.turn.shape[1], len(w.looks)
    y, lanes, blocks = room.trunk.h[1:].reshape(n, units), room.lanes, n // BLOCK
    for b in range(blocks):
        m, at = _mind(room.minds, b), b * BLOCK
        if (b + shift) % 2 == 0:
            asked = (blocks + 1 - shift % 2) // 2
            _intervene(w, d, m, room.other, lanes, outlook, shift + b, asked, c, room, told)
        _blame(x, b, m, c, room, is_told, told)
        decide_back(m, room.dlog, room.dfound)
        judge_back(w, d, m, lanes, room.dfound, room.dsaid)
        answer_back(
            w, d, sizes, foresees, m, lanes, room.words[b], x.truth[b], x.mark, room.dsaid, room.dlines,
            room.dforeseen, is_told, losses,
        )  # fmt: skip
        _add(lanes.lines, room.dlines)
        _add(lanes.foresee, room.dforeseen)
        now, seen = y[at : at + BLOCK], room.seen[at : at + BLOCK]
        np.dot(room.dlines[:sight], now, room.dlooks)
        _add(d.looks, room.dlooks)
        np.dot(room.dlines[sight:], seen, room.dread)
        _add(d.read, room.dread)
        np.dot(room.dforeseen, now, room.dforesee)
        _add(d.foresee, room.dforesee)
        np.dot(room.dlines[:sight].T, w.looks, room.dy[at : at + BLOCK])
        np.dot(room.dlines[sight:].T, w.read, room.dseen)
        np.dot(room.dforeseen.T, w.foresee, room.dmore)
        for r in range(BLOCK):
            for j in range(units):
                room.dy[at + r, j] += room.dseen[r, j] + room.dmore[r, j]
            for j in range(room.glance.shape[1]):
                room.glance[at + r, j] = room.dseen[r, units + j]
                d.glance_bias[j] += room.dseen[r, units + j]
    np.dot(room.glance.T, x.obs, room.dglance)
    _add(d.glance, room.dglance)
    fold(lanes.lines[:sight], d.looks_bias)
    fold(lanes.lines[sight:], d.read_bias)
    fold(lanes.foresee, d.foresee_bias)
    fold(lanes.expect, d.expect_bias.reshape(-1))
    fold(lanes.answer, d.answer_bias.reshape(-1))
    fold(lanes.weigh[:-1], d.weigh)
    fold(lanes.weigh[-1:], d.weigh_bias)
    fold(lanes.judge, d.judge_bias)
    fold(lanes.heads, d.heads_bias)
    trunk_back(w, d, x.cols, pool, room.dy, room.trunk)
