"""Words, judgement and decision for 64 rows side by side, forth and back, without leaving the loops between them.

The same functions as `fused_chain`, `Agent.judgement` and `decide_plainly`, to rounding: here a block goes from the trunk's
output to probabilities and back to gradients while it is in the nearest memory. No fast-math. Knows no market and no loss.

Letters: K steps, D word width, S step width, A answers of the widest question, J judge width. A line is 64 rows of one
number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from decot.model.config import ModelConfig
from decot.model.fused_chain import BLOCK, _apply, _attend, _attend_back, _softmax, _softmax_back
from decot.model.smooth import exp, sigmoid, tanh
from decot.model.vocabulary import SIZES

F = np.float32


class MindRoom(NamedTuple):
    """One block's numbers, kept for its way back; the number of lines of each."""

    lines: Any
    """views (K·D), questions (K·D), readings (K·S)"""
    foreseen: Any
    weight: Any
    """K·(K + 1)/2"""
    context: Any
    thought: Any
    logits: Any
    said: Any
    attention: Any
    heard: Any
    """(K + 1)·D: the summary, then every answer"""
    judged: Any
    found: Any
    """15: policy, value, exit"""
    probs: Any
    """9"""


def mind_room(cfg: ModelConfig, *blocks: int) -> MindRoom:
    """Memory for so many blocks."""
    k, d, s, a = len(cfg.questions), cfg.word_width, cfg.step_width, max(SIZES)
    depths = (
        2 * k * d + k * s, 5, k * (k + 1) // 2, k * d, k * s, k * a, k * d, k, (k + 1) * d, cfg.judge_width, 15, 9,
    )  # fmt: skip
    return MindRoom(*(np.zeros((*blocks, depth, BLOCK), np.float32) for depth in depths))


@njit(cache=True, error_model="numpy")
def bias_lines(x: Any, bias: Any) -> None:
    """x (n, 64) += bias (n,)."""
    for i in range(len(bias)):
        for r in range(BLOCK):
            x[i, r] += bias[i]


@njit(cache=True, error_model="numpy")
def tanhs(x: Any) -> None:
    """In place; a loop over one array alone is one the machine does eight at a time."""
    for j in range(x.shape[0]):
        x[j] = tanh(x[j])


@njit(cache=True, error_model="numpy")
def _copy(x: Any, i: int, out: Any, o: int, n: int) -> None:
    for s in range(n):
        for r in range(BLOCK):
            out[o + s, r] = x[i + s, r]


@njit(cache=True, error_model="numpy")
def _spread(x: Any, out: Any, o: int, n: int) -> None:
    """Each number of x (n,) over a line of out."""
    for s in range(n):
        one = x[s]
        for r in range(BLOCK):
            out[o + s, r] = one


@njit(cache=True, error_model="numpy")
def answer_steps(w: Any, sizes: Any, foresees: Any, m: Any, word: Any) -> None:
    """From lines and foreseen to words (K, 64) and what they mean, said."""
    n_steps, wide, width = w.recall.shape
    n_answers, first, reads = w.answer.shape[1], 0, 2 * n_steps * width
    best = np.empty(BLOCK, np.float32)
    for k in range(n_steps):
        _attend(m.lines, k, m.said, n_steps, width, m.weight, first, m.context)
        first += k + 1
        place, t0, a0 = foresees[k], k * wide, k * n_answers
        if place < 0:
            _copy(m.lines, reads + t0, m.thought, t0, wide)
        else:
            _spread(w.expect_bias[place], m.thought, t0, wide)
        if place >= 0:
            _apply(m.thought, t0, wide, w.expect[place], m.foreseen, 0, 5)
        _apply(m.thought, t0, wide, w.recall[k], m.context, k * width, width)
        tanhs(m.thought[t0 : t0 + wide].reshape(-1))
        _spread(w.answer_bias[k], m.logits, a0, sizes[k])
        _apply(m.logits, a0, sizes[k], w.answer[k], m.thought, t0, wide)
        for r in range(BLOCK):
            best[r] = m.logits[a0, r]
            word[k, r] = 0
        for a in range(1, sizes[k]):
            for r in range(BLOCK):
                if m.logits[a0 + a, r] > best[r]:
                    best[r], word[k, r] = m.logits[a0 + a, r], a
        for d in range(width):
            for r in range(BLOCK):
                m.said[k * width + d, r] = w.meaning[k, word[k, r], d]


@njit(cache=True, error_model="numpy")
def judge_words(w: Any, m: Any, tilt: Any) -> None:
    """From what was said to the heads and the probabilities of actions."""
    n_steps, width = m.attention.shape[0], w.weigh.shape[0]
    for k in range(n_steps):
        for r in range(BLOCK):
            m.attention[k, r] = w.weigh_bias[0]
        for d in range(width):
            for r in range(BLOCK):
                m.attention[k, r] += m.said[k * width + d, r] * w.weigh[d]
    _softmax(m.attention, 0, n_steps, F(1))
    for d in range(width):
        for r in range(BLOCK):
            m.heard[d, r] = 0
        for k in range(n_steps):
            for r in range(BLOCK):
                m.heard[d, r] += m.attention[k, r] * m.said[k * width + d, r]
    m.heard[width:] = m.said
    np.dot(w.judge, m.heard, m.judged)
    bias_lines(m.judged, w.judge_bias)
    tanhs(m.judged.reshape(-1))
    np.dot(w.heads, m.judged, m.found)
    bias_lines(m.found, w.heads_bias)
    _decide(m.found, tilt, m.probs)


@njit(cache=True, error_model="numpy")
def _pointing(found: Any, p: int, share: Any) -> None:
    """Where the policy points from position p: over the two others, over all three when flat; share (3, 64)."""
    for r in range(BLOCK):
        share[0, r], share[1, r], share[2, r] = found[3 * p, r], found[3 * p + 1, r], found[3 * p + 2, r]
        if p != 1:
            share[p, r] = F(-1e9)
    _softmax(share, 0, 3, F(1))
    if p != 1:
        for r in range(BLOCK):
            share[p, r] = F(0)


@njit(cache=True, error_model="numpy")
def _decide(found: Any, tilt: Any, probs: Any) -> None:
    share, lift = np.empty((3, BLOCK), np.float32), np.empty((3, BLOCK), np.float32)
    for r in range(BLOCK):
        high = max(found[9, r], found[10, r], found[11, r])
        for a in range(3):
            lift[a, r] = exp(tilt * (found[9 + a, r] - high))
    for p in range(3):
        _pointing(found, p, share)
        if p != 1:
            for r in range(BLOCK):
                gone = sigmoid(found[12 + p, r])
                for a in range(3):
                    share[a, r] *= gone
                share[p, r] = sigmoid(-found[12 + p, r])
        for r in range(BLOCK):
            x, y, z = share[0, r] * lift[0, r], share[1, r] * lift[1, r], share[2, r] * lift[2, r]
            scale = F(1) / (x + y + z)
            probs[3 * p, r], probs[3 * p + 1, r], probs[3 * p + 2, r] = x * scale, y * scale, z * scale


@njit(cache=True, error_model="numpy")
def decide_back(m: Any, dlog: Any, dfound: Any) -> None:
    """The gradient of log-probabilities (9, 64) → that of policy and exit in dfound; value is not taught by a decision."""
    share = np.empty((3, BLOCK), np.float32)
    for p in range(3):
        _pointing(m.found, p, share)
        i, x, y = 3 * p, (p + 1) % 3, (p + 2) % 3
        for r in range(BLOCK):
            total = dlog[i, r] + dlog[i + 1, r] + dlog[i + 2, r]
            for a in range(3):
                dlog[i + a, r] -= m.probs[i + a, r] * total
            if p == 1:
                for a in range(3):
                    dfound[3 + a, r] = dlog[3 + a, r]
                dfound[13, r] = F(0)
            else:
                stay, gone = dlog[i + p, r], dlog[i + x, r] + dlog[i + y, r]
                dfound[i + p, r] = F(0)
                dfound[i + x, r] = dlog[i + x, r] - share[x, r] * gone
                dfound[i + y, r] = dlog[i + y, r] - share[y, r] * gone
                leave = m.found[12 + p, r]
                dfound[12 + p, r] = gone * sigmoid(-leave) - stay * sigmoid(leave)


class Lanes(NamedTuple):
    """Gradients of biases and of `weigh`, 64 sums each, folded once at the end; and scratch."""

    lines: Any
    foresee: Any
    expect: Any
    answer: Any
    weigh: Any
    judge: Any
    heads: Any
    dheads: Any
    djudge: Any
    dthought: Any
    """(S, D), (A, S), (S, 5): products before they are added"""
    danswer: Any
    dexpect: Any
    dheard: Any
    djudged: Any
    dcontext: Any
    dweight: Any
    dlogits: Any
    soft: Any
    miss: Any
    """(64,) what missing each row's answer costs"""


def lanes_of(cfg: ModelConfig) -> Lanes:
    k, d, s, a, j = len(cfg.questions), cfg.word_width, cfg.step_width, max(SIZES), cfg.judge_width
    sums = (2 * k * d + k * s, 5, 2 * s, k * a, d + 1, j, 15)
    shapes = [(n, BLOCK) for n in sums] + [(15, j), (j, (k + 1) * d), (s, d), (a, s), (s, 5)]
    shapes += [(n, BLOCK) for n in ((k + 1) * d, j, d, k, a, a)]
    return Lanes(*(np.zeros(shape, np.float32) for shape in (*shapes, (BLOCK,))))


@njit(cache=True, error_model="numpy")
def _add(total: Any, part: Any) -> None:
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            total[i, j] += part[i, j]


@njit(cache=True, error_model="numpy")
def fold(x: Any, out: Any) -> None:
    """out (n,) += the sum of each line, and the lines are empty again."""
    for i in range(len(x)):
        step = BLOCK // 2
        while step > 0:
            for r in range(step):
                x[i, r] += x[i, r + step]
            step //= 2
        out[i] += x[i, 0]
        x[i] = 0


@njit(cache=True, error_model="numpy")
def judge_back(w: Any, d: Any, m: Any, lanes: Any, dfound: Any, dsaid: Any) -> None:
    """The gradient of `judge_words` from that of the heads (15, 64): weights' into d and lanes, words' set in dsaid."""
    n_steps, width = m.attention.shape[0], w.weigh.shape[0]
    np.dot(dfound, m.judged.T, lanes.dheads)
    _add(d.heads, lanes.dheads)
    _add(lanes.heads, dfound)
    np.dot(w.heads.T, dfound, lanes.djudged)
    for j in range(len(m.judged)):
        for r in range(BLOCK):
            lanes.djudged[j, r] *= F(1) - m.judged[j, r] * m.judged[j, r]
    np.dot(lanes.djudged, m.heard.T, lanes.djudge)
    _add(d.judge, lanes.djudge)
    _add(lanes.judge, lanes.djudged)
    dheard = lanes.dheard
    np.dot(w.judge.T, lanes.djudged, dheard)
    score = lanes.dweight
    for k in range(n_steps):
        for r in range(BLOCK):
            score[k, r] = 0
        for i in range(width):
            for r in range(BLOCK):
                score[k, r] += dheard[i, r] * m.said[k * width + i, r]
    _softmax_back(m.attention, 0, score, n_steps, F(1))
    for k in range(n_steps):
        for i in range(width):
            at, weigh = k * width + i, w.weigh[i]
            for r in range(BLOCK):
                dsaid[at, r] = dheard[width + at, r] + m.attention[k, r] * dheard[i, r] + score[k, r] * weigh
                lanes.weigh[i, r] += score[k, r] * m.said[at, r]
        for r in range(BLOCK):
            lanes.weigh[width, r] += score[k, r]


@njit(cache=True, error_model="numpy")
def _turned(out: Any, o: int, n_out: int, w: Any, x: Any, i: int, n_in: int) -> None:
    """out[o:o+n_out] += wᵀ · x[i:i+n_in], w (n_in, n_out), four at a time."""
    for a in range(n_out):
        d = 0
        while d + 4 <= n_in:
            w0, w1, w2, w3 = w[d, a], w[d + 1, a], w[d + 2, a], w[d + 3, a]
            for r in range(BLOCK):
                out[o + a, r] += (
                    w0 * x[i + d, r] + w1 * x[i + d + 1, r] + w2 * x[i + d + 2, r] + w3 * x[i + d + 3, r]
                )
            d += 4
        while d < n_in:
            w0 = w[d, a]
            for r in range(BLOCK):
                out[o + a, r] += w0 * x[i + d, r]
            d += 1


@njit(cache=True, error_model="numpy")
def answer_back(
    w: Any, d: Any, sizes: Any, foresees: Any, m: Any, lanes: Any,
    word: Any, truth: Any, mark: Any, dsaid: Any, dlines: Any, dforeseen: Any, is_told: bool, losses: Any,
) -> None:  # fmt: skip
    """The gradient of `answer_steps` and of the cross entropies of its answers.

    Args:
        truth: (K, 64) the true answers; mark: (K, A) what missing each costs; losses: (K,) sums, added to if they are told.
        dsaid: words' gradient, used up; dlines: set; dforeseen: added to.
    """
    n_steps, wide, width = w.recall.shape
    n_answers, reads0, scale = w.answer.shape[1], 2 * n_steps * width, F(1) / np.sqrt(F(width))
    first = n_steps * (n_steps + 1) // 2
    dl, soft, dcontext = lanes.dlogits, lanes.soft, lanes.dcontext
    for k in range(n_steps - 1, -1, -1):
        first -= k + 1
        size, t0, a0, s0 = sizes[k], k * wide, k * n_answers, k * width
        reads, place = reads0 + t0, foresees[k]
        for r in range(BLOCK):  # no two neighbours add to the same number
            for i in range(width):
                d.meaning[k, word[k, r], i] += dsaid[s0 + i, r]
        dl[:] = 0
        _apply(dl, 0, size, w.meaning[k], dsaid, s0, width)
        for a in range(size):
            for r in range(BLOCK):
                soft[a, r] = m.logits[a0 + a, r]
        _softmax(soft, 0, size, F(1))
        _softmax_back(soft, 0, dl, size, F(1))
        for r in range(BLOCK):
            lanes.miss[r] = mark[k, truth[k, r]]
        for a in range(size):
            for r in range(BLOCK):
                dl[a, r] += lanes.miss[r] * soft[a, r]
        for r in range(BLOCK):
            right = truth[k, r]
            dl[right, r] -= mark[k, right]
            if is_told:
                losses[k] -= mark[k, right] * np.log(max(soft[right, r], F(1e-30)))
        np.dot(dl, m.thought[t0 : t0 + wide].T, lanes.danswer)
        for a in range(size):
            for s in range(wide):
                d.answer[k, a, s] += lanes.danswer[a, s]
            for r in range(BLOCK):
                lanes.answer[a0 + a, r] += dl[a, r]
        for s in range(wide):
            for r in range(BLOCK):
                dlines[reads + s, r] = 0
        _turned(dlines, reads, wide, w.answer[k], dl, 0, size)
        for s in range(wide):
            for r in range(BLOCK):
                t = m.thought[t0 + s, r]
                dlines[reads + s, r] *= F(1) - t * t
        np.dot(dlines[reads : reads + wide], m.context[s0 : s0 + width].T, lanes.dthought)
        _add(d.recall[k], lanes.dthought)
        dcontext[:] = 0
        _turned(dcontext, 0, width, w.recall[k], dlines, reads, wide)
        _attend_back(
            m.lines, k, m.said, n_steps, width, m.weight, first, dcontext, lanes.dweight, scale, dlines, dsaid
        )
        if place >= 0:
            np.dot(dlines[reads : reads + wide], m.foreseen.T, lanes.dexpect)
            _add(d.expect[place], lanes.dexpect)
            for s in range(wide):
                for r in range(BLOCK):
                    lanes.expect[place * wide + s, r] += dlines[reads + s, r]
            _turned(dforeseen, 0, 5, w.expect[place], dlines, reads, wide)
            for s in range(wide):
                for r in range(BLOCK):
                    dlines[reads + s, r] = 0
