"""The loops of the chain of thought — attend, read, recall, answer, embed, nine times over — and of its gradient.

Some five hundred small torch operations become two plain loops. Rows do not meet one another here, so a block of them lies
side by side and the machine does eight or sixteen at once. An answer is hard; its gradient is that of the soft
one (straight-through). One thread, one order of additions, and no fast-math: with it, code compiled in this process and
code loaded from the cache gave other last bits, and a seed no longer gave one set of weights. `fused_mind` joins them to
torch. Knows no tensors and no money.

Letters: K steps, D word width, S step width, A answers of the widest question, N rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.model.smooth import exp, tanh

BLOCK = 64
"""rows side by side"""


@njit(cache=True, error_model="numpy")
def _apply(out: Any, o: int, n_out: int, w: Any, x: Any, i: int, n_in: int) -> None:
    """out[o:o+n_out] += w (n_out, n_in) · x[i:i+n_in]."""
    for a in range(n_out):
        d = 0
        while d + 4 <= n_in:
            w0, w1, w2, w3 = w[a, d], w[a, d + 1], w[a, d + 2], w[a, d + 3]
            for r in range(BLOCK):
                out[o + a, r] += (
                    w0 * x[i + d, r] + w1 * x[i + d + 1, r] + w2 * x[i + d + 2, r] + w3 * x[i + d + 3, r]
                )
            d += 4
        while d < n_in:
            w0 = w[a, d]
            for r in range(BLOCK):
                out[o + a, r] += w0 * x[i + d, r]
            d += 1


@njit(cache=True, error_model="numpy")
def _apply_turned(out: Any, o: int, n_out: int, w: Any, x: Any, i: int, n_in: int) -> None:
    """out[o:o+n_out] += wᵀ · x[i:i+n_in], w (n_in, n_out)."""
    for a in range(n_out):
        for d in range(n_in):
            w0 = w[d, a]
            for r in range(BLOCK):
                out[o + a, r] += w0 * x[i + d, r]


@njit(cache=True, error_model="numpy")
def _outer(dw: Any, x: Any, o: int, n_out: int, y: Any, i: int, n_in: int) -> None:
    """dw (n_out, n_in) += x[o:o+n_out] · y[i:i+n_in]ᵀ."""
    for a in range(n_out):
        for d in range(n_in):
            total = np.float32(0)
            for r in range(BLOCK):
                total += x[o + a, r] * y[i + d, r]
            dw[a, d] += total


@njit(cache=True, error_model="numpy")
def _gather(dw: Any, x: Any, o: int, n_out: int) -> None:
    """dw (n_out,) += the sum of x[o:o+n_out]."""
    for a in range(n_out):
        total = np.float32(0)
        for r in range(BLOCK):
            total += x[o + a, r]
        dw[a] += total


@njit(cache=True, error_model="numpy")
def _attend(
    sight: Any, k: int, said: Any, n_steps: int, width: int, weight: Any, w0: int, context: Any
) -> None:
    """Weights of step k over its own view and the k words said before, and what they add up to.

    Lines of `sight`: first every step's view, then every step's question.
    """
    ask = (n_steps + k) * width
    for j in range(k + 1):
        for r in range(BLOCK):
            weight[w0 + j, r] = 0
        for d in range(width):
            if j == 0:
                for r in range(BLOCK):
                    weight[w0, r] += sight[k * width + d, r] * sight[ask + d, r]
            else:
                for r in range(BLOCK):
                    weight[w0 + j, r] += said[(j - 1) * width + d, r] * sight[ask + d, r]
    _softmax(weight, w0, k + 1, np.float32(1) / np.sqrt(np.float32(width)))
    for d in range(width):
        for r in range(BLOCK):
            context[k * width + d, r] = weight[w0, r] * sight[k * width + d, r]
        for j in range(1, k + 1):
            for r in range(BLOCK):
                context[k * width + d, r] += weight[w0 + j, r] * said[(j - 1) * width + d, r]


@njit(cache=True, error_model="numpy")
def _softmax(x: Any, o: int, n: int, scale: Any) -> None:
    """Softmax of scale·x over the lines o..o+n, in place."""
    top, total = np.empty(BLOCK, np.float32), np.zeros(BLOCK, np.float32)
    for r in range(BLOCK):
        top[r] = x[o, r]
    for j in range(1, n):
        for r in range(BLOCK):
            top[r] = max(top[r], x[o + j, r])
    for j in range(n):
        for r in range(BLOCK):
            x[o + j, r] = exp(scale * (x[o + j, r] - top[r]))
            total[r] += x[o + j, r]
    for r in range(BLOCK):
        total[r] = np.float32(1) / total[r]
    for j in range(n):
        for r in range(BLOCK):
            x[o + j, r] *= total[r]


@njit(cache=True, error_model="numpy")
def _softmax_back(x: Any, o: int, dx: Any, n: int, scale: Any) -> None:
    """dx (n, BLOCK), the gradient of softmax lines o..o+n, becomes that of what went in."""
    total = np.zeros(BLOCK, np.float32)
    for j in range(n):
        for r in range(BLOCK):
            total[r] += x[o + j, r] * dx[j, r]
    for j in range(n):
        for r in range(BLOCK):
            dx[j, r] = scale * x[o + j, r] * (dx[j, r] - total[r])


@njit(cache=True, error_model="numpy")
def _attend_back(
    sight: Any, k: int, said: Any, n_steps: int, width: int, weight: Any, w0: int,
    dcontext: Any, dweight: Any, scale: Any, dsight: Any, dsaid: Any,
) -> None:  # fmt: skip
    """The gradient of `_attend`: sets the lines of step k's view and question in dsight, adds to dsaid."""
    dweight[: k + 1] = 0
    for d in range(width):
        for r in range(BLOCK):
            dweight[0, r] += dcontext[d, r] * sight[k * width + d, r]
    for j in range(1, k + 1):
        for d in range(width):
            for r in range(BLOCK):
                dweight[j, r] += dcontext[d, r] * said[(j - 1) * width + d, r]
    _softmax_back(weight, w0, dweight, k + 1, scale)
    ask = (n_steps + k) * width
    for d in range(width):
        for r in range(BLOCK):
            dsight[k * width + d, r] = weight[w0, r] * dcontext[d, r] + dweight[0, r] * sight[ask + d, r]
            dsight[ask + d, r] = dweight[0, r] * sight[k * width + d, r]
        for j in range(1, k + 1):
            at = (j - 1) * width + d
            for r in range(BLOCK):
                dsaid[at, r] += weight[w0 + j, r] * dcontext[d, r] + dweight[j, r] * sight[ask + d, r]
                dsight[ask + d, r] += dweight[j, r] * said[at, r]


@njit(cache=True, error_model="numpy")
def chain(
    all_lines: Any, all_foreseen: Any, n: int, sizes: Any, foresees: Any, order: Any,
    recall: Any, answer: Any, answer_bias: Any, meaning: Any, expect: Any, expect_bias: Any, imposed: Any,
    all_weight: Any, all_context: Any, all_thought: Any, all_logits: Any, all_said: Any,
    logits_out: Any, said_out: Any, words: Any,
) -> None:  # fmt: skip
    """Every block through every step. `all_…` are (blocks, lines, BLOCK): the rows of a block lie side by side.

    Args:
        all_lines: views (K·D), then questions (K·D), then readings (K·S); all_foreseen: the 5 forecasts.
        recall: (K, S, D); answer: (K, A, S); meaning: (K, A, D); expect: (2, S, 5).
        imposed: (n, 9) answers or no rows.
        all_weight: K·(K+1)/2 lines, all_context: K·D, all_thought: K·S, all_logits: K·A, all_said: K·D; for the way back.
        logits_out: (n, K, A), said_out: (n, K, D), words: (n, 9): the results.
    """
    n_steps, wide, width = recall.shape
    n_answers = answer.shape[1]
    for block in range(all_lines.shape[0]):
        c, m = block * BLOCK, min(BLOCK, n - block * BLOCK)
        lines, foreseen, weight, context = (
            all_lines[block],
            all_foreseen[block],
            all_weight[block],
            all_context[block],
        )
        thought, logits, said = all_thought[block], all_logits[block], all_said[block]
        first, reads = 0, 2 * n_steps * width
        for k in range(n_steps):
            _attend(lines, k, said, n_steps, width, weight, first, context)
            first += k + 1
            place = foresees[k]
            for s in range(wide):
                if place < 0:
                    for r in range(BLOCK):
                        thought[k * wide + s, r] = lines[reads + k * wide + s, r]
                else:
                    for r in range(BLOCK):
                        thought[k * wide + s, r] = expect_bias[place, s]
            if place >= 0:
                _apply(thought, k * wide, wide, expect[place], foreseen, 0, 5)
            _apply(thought, k * wide, wide, recall[k], context, k * width, width)
            for s in range(wide):
                for r in range(BLOCK):
                    thought[k * wide + s, r] = tanh(thought[k * wide + s, r])
            for a in range(n_answers):
                for r in range(BLOCK):
                    logits[k * n_answers + a, r] = answer_bias[k, a]
            _apply(logits, k * n_answers, sizes[k], answer[k], thought, k * wide, wide)
            for r in range(m):
                word = 0
                for a in range(1, sizes[k]):
                    if logits[k * n_answers + a, r] > logits[k * n_answers + word, r]:
                        word = a
                if imposed.shape[0] > 0 and imposed[c + r, order[k]] >= 0:
                    word = imposed[c + r, order[k]]
                words[c + r, order[k]] = word
                for d in range(width):
                    said[k * width + d, r] = meaning[k, word, d]
                    said_out[c + r, k, d] = meaning[k, word, d]
                for a in range(n_answers):
                    logits_out[c + r, k, a] = logits[k * n_answers + a, r]


@njit(cache=True, error_model="numpy")
def chain_back(
    all_lines: Any, all_foreseen: Any, n: int, sizes: Any, foresees: Any, order: Any,
    recall: Any, answer: Any, meaning: Any, expect: Any,
    all_weight: Any, all_context: Any, all_thought: Any, all_logits: Any, all_said: Any, words: Any,
    dlogits_in: Any, dsaid_in: Any, all_dlines: Any, all_dforeseen: Any,
    drecall: Any, danswer: Any, danswer_bias: Any, dmeaning: Any, dexpect: Any, dexpect_bias: Any,
) -> None:  # fmt: skip
    """The gradient of `chain`: dlogits_in and dsaid_in come in, the other d… go out, added to what is there."""
    n_steps, wide, width = recall.shape
    n_answers = answer.shape[1]
    one, scale = np.float32(1), np.float32(1) / np.sqrt(np.float32(width))
    soft, dlogits = np.empty((n_answers, BLOCK), np.float32), np.empty((n_answers, BLOCK), np.float32)
    dsaid, dcontext = np.empty((n_steps * width, BLOCK), np.float32), np.empty((width, BLOCK), np.float32)
    dweight = np.empty((n_steps, BLOCK), np.float32)
    for block in range(all_lines.shape[0]):
        c, m = block * BLOCK, min(BLOCK, n - block * BLOCK)
        lines, foreseen, weight, context = (
            all_lines[block],
            all_foreseen[block],
            all_weight[block],
            all_context[block],
        )
        thought, logits, said = all_thought[block], all_logits[block], all_said[block]
        dlines, dforeseen = all_dlines[block], all_dforeseen[block]
        dsaid[:] = 0
        for r in range(m):
            for k in range(n_steps):
                for d in range(width):
                    dsaid[k * width + d, r] = dsaid_in[c + r, k, d]
        first = n_steps * (n_steps + 1) // 2
        for k in range(n_steps - 1, -1, -1):
            first -= k + 1
            size, reads = sizes[k], (2 * n_steps) * width + k * wide
            # the word: its meaning, and the soft answer in its place
            for r in range(m):
                word = words[c + r, order[k]]
                for d in range(width):
                    dmeaning[k, word, d] += dsaid[k * width + d, r]
            dlogits[:] = 0
            _apply(dlogits, 0, size, meaning[k], dsaid, k * width, width)
            for a in range(size):
                for r in range(BLOCK):
                    soft[a, r] = logits[k * n_answers + a, r]
            _softmax(soft, 0, size, one)
            _softmax_back(soft, 0, dlogits, size, one)
            for r in range(m):
                for a in range(size):
                    dlogits[a, r] += dlogits_in[c + r, k, a]
            # the answer and the thought behind it
            _outer(danswer[k], dlogits, 0, size, thought, k * wide, wide)
            _gather(danswer_bias[k], dlogits, 0, size)
            for s in range(wide):
                for r in range(BLOCK):
                    dlines[reads + s, r] = 0
            _apply_turned(dlines, reads, wide, answer[k], dlogits, 0, size)
            for s in range(wide):
                for r in range(BLOCK):
                    t = thought[k * wide + s, r]
                    dlines[reads + s, r] *= one - t * t
            _outer(drecall[k], dlines, reads, wide, context, k * width, width)
            dcontext[:] = 0
            _apply_turned(dcontext, 0, width, recall[k], dlines, reads, wide)
            _attend_back(
                lines, k, said, n_steps, width, weight, first, dcontext, dweight, scale, dlines, dsaid
            )
            # a foreseeing step reads the forecasts and not the market
            place = foresees[k]
            if place >= 0:
                _outer(dexpect[place], dlines, reads, wide, foreseen, 0, 5)
                _gather(dexpect_bias[place], dlines, reads, wide)
                _apply_turned(dforeseen, 0, 5, expect[place], dlines, reads, wide)
                for s in range(wide):
                    for r in range(BLOCK):
                        dlines[reads + s, r] = 0
