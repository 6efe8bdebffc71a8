"""One tick of the agent as plain loops: convolution frame, LSTM cell, nine words, heads. Knows arrays only.

The same numbers as `agent.py` to 1e-5, in a fixed order of additions, so that the same weights give the same bits wherever
they run. Matrices are laid out (inputs, outputs), so that four rows are added at a time and the machine may do eight columns
at once. Ragged vocabularies are padded to the widest question; `sizes` says how many answers count.

Letters: K asked questions, D word width, S step width, F features, C filters, H LSTM units, G glance, A answers, J judge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.model.smooth import exp, sigmoid, softmax, tanh

N_OUT = 29
"""numbers per row beside the words: probs 9, forecasts 5, value 3, exit 3, policy logits 9"""
N_SHAPE = 13
"""whole numbers before the per-step ones: k F C H K D S G A J, rows of judge_past, pool, is_max"""


@njit(cache=True, error_model="numpy")
def _add(out: Any, weight: Any, x: Any) -> None:
    """out += x · weight, four inputs at a time."""
    n = x.shape[0]
    i = 0
    while i + 4 <= n:
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for j in range(out.shape[0]):
            out[j] += (x0 * w0[j] + x1 * w1[j]) + (x2 * w2[j] + x3 * w3[j])
        i += 4
    while i < n:
        for j in range(out.shape[0]):
            out[j] += x[i] * weight[i, j]
        i += 1


@njit(cache=True, error_model="numpy")
def _lstm(gates: Any, hidden: Any, cell: Any) -> None:
    """One cell from its four summed gates; hidden and cell in place."""
    n = hidden.shape[0]
    for h in range(n):
        cell[h] = sigmoid(gates[n + h]) * cell[h] + sigmoid(gates[h]) * tanh(gates[2 * n + h])
    for h in range(n):
        hidden[h] = sigmoid(gates[3 * n + h]) * tanh(cell[h])


@njit(cache=True, error_model="numpy")
def _decide(policy: Any, value: Any, leave: Any, tilt: Any, probs: Any) -> None:
    """The three deciding heads put together, as `agent.decide_from`; probs is (9,)."""
    for p in range(3):
        line = probs[3 * p : 3 * p + 3]
        line[:] = policy[3 * p : 3 * p + 3]
        if p != 1:
            line[p] = np.float32(-1e9)
        softmax(line, 3)
        if p != 1:
            for a in range(3):
                line[a] *= leave[p]
            line[p] = np.float32(1) - leave[p]
        high = max(value[0], value[1], value[2])
        total = np.float32(0)
        for a in range(3):
            line[a] *= exp(tilt * (value[a] - high))
            total += line[a]
        for a in range(3):
            line[a] /= total


@njit(cache=True, error_model="numpy")
def _take(flat: Any, at: Any, n: int) -> Any:
    """The next n numbers of a flat array; `at` moves on."""
    start = at[0]
    at[0] = start + n
    return flat[start : start + n]


@njit(cache=True, error_model="numpy")
def run(flat: Any, ints: Any, memory: Any, count: Any, obs: Any, imposed: Any, words: Any, out: Any) -> None:
    """Every row of a stretch, one tick after another; a stream is a stretch of one row.

    Args:
        flat, ints: from `weights.pack`.
        memory: (n,) float32 and count: (1,) int64, the carried state; written in place.
        obs: (T, F); imposed: (T, 9), or no rows when nothing is imposed.
        words: (T, 9) int8 and out: (T, 29) float32, written.
    """
    kernel, n_features, n_filters, n_hidden, n_steps = ints[0], ints[1], ints[2], ints[3], ints[4]
    width, wide, n_glance, n_answers, n_judge = ints[5], ints[6], ints[7], ints[8], ints[9]
    n_past, pool, is_max = ints[10], ints[11], ints[12]
    foresees = ints[N_SHAPE : N_SHAPE + n_steps]
    sizes = ints[N_SHAPE + n_steps : N_SHAPE + 2 * n_steps]
    order = ints[N_SHAPE + 2 * n_steps : N_SHAPE + 3 * n_steps]
    n_see, n_read = n_steps * width, n_steps * wide
    n_sight = 2 * n_see + n_read + 5

    at = np.zeros(1, np.int64)
    conv = _take(flat, at, kernel * n_features * n_filters).reshape((kernel, n_features, n_filters))
    conv_bias = _take(flat, at, n_filters)
    lstm_in = _take(flat, at, n_filters * 4 * n_hidden).reshape((n_filters, 4 * n_hidden))
    lstm_back = _take(flat, at, n_hidden * 4 * n_hidden).reshape((n_hidden, 4 * n_hidden))
    lstm_bias = _take(flat, at, 4 * n_hidden)
    sight = _take(flat, at, n_hidden * n_sight).reshape((n_hidden, n_sight))
    sight_bias = _take(flat, at, n_sight)
    glance = _take(flat, at, n_features * n_glance).reshape((n_features, n_glance))
    glance_bias = _take(flat, at, n_glance)
    read_glance = _take(flat, at, n_glance * n_read).reshape((n_glance, n_read))
    expect = _take(flat, at, n_steps * 5 * wide).reshape((n_steps, 5, wide))
    expect_bias = _take(flat, at, n_steps * wide).reshape((n_steps, wide))
    recall = _take(flat, at, n_steps * width * wide).reshape((n_steps, width, wide))
    answer = _take(flat, at, n_steps * wide * n_answers).reshape((n_steps, wide, n_answers))
    answer_bias = _take(flat, at, n_steps * n_answers).reshape((n_steps, n_answers))
    meaning = _take(flat, at, n_steps * n_answers * width).reshape((n_steps, n_answers, width))
    weigh = _take(flat, at, width)
    judge_summary = _take(flat, at, width * n_judge).reshape((width, n_judge))
    judge_words = _take(flat, at, n_steps * n_answers * n_judge).reshape((n_steps, n_answers, n_judge))
    judge_past = _take(flat, at, n_past * n_judge).reshape((n_past, n_judge))
    judge_bias = _take(flat, at, n_judge)
    heads = _take(flat, at, n_judge * 15).reshape((n_judge, 15))
    heads_bias = _take(flat, at, 15)
    forecast_mean, forecast_scale = _take(flat, at, 5), _take(flat, at, 5)
    tilt = _take(flat, at, 1)[0]

    at[0] = 0
    rows = _take(memory, at, kernel * n_features).reshape((kernel, n_features))
    frames = _take(memory, at, pool * n_filters).reshape((pool, n_filters))
    hidden, cell = _take(memory, at, n_hidden), _take(memory, at, n_hidden)

    f4 = np.float32
    pooled, gates = np.empty(n_filters, f4), np.empty(4 * n_hidden, f4)
    seen, glimpse = np.empty(n_sight, f4), np.empty(n_glance, f4)
    memo, weight, context = np.empty((n_steps + 1, width), f4), np.empty(n_steps + 1, f4), np.empty(width, f4)
    thought, logits = np.empty(wide, f4), np.empty(n_answers, f4)
    judged, final = np.empty(n_judge, f4), np.empty(15, f4)
    root = f4(1) / np.sqrt(f4(width))

    for t in range(obs.shape[0]):
        n = count[0]
        count[0] = n + 1
        x = obs[t]

        # the trunk: one convolution frame, pooled with the frames before, one LSTM cell
        rows[n % kernel] = x
        frame = frames[n % pool]
        frame[:] = conv_bias
        for j in range(kernel):
            _add(frame, conv[j], rows[(n + 1 + j) % kernel])
        for c in range(n_filters):
            frame[c] = max(frame[c], f4(0))
            pooled[c] = frames[0, c]
            for p in range(1, pool):
                pooled[c] = max(pooled[c], frames[p, c]) if is_max > 0 else pooled[c] + frames[p, c]
            if is_max == 0:
                pooled[c] /= f4(pool)
        gates[:] = lstm_bias
        _add(gates, lstm_in, pooled)
        _add(gates, lstm_back, hidden)
        _lstm(gates, hidden, cell)

        # what each step sees, asks and reads; the forecasts
        seen[:] = sight_bias
        _add(seen, sight, hidden)
        glimpse[:] = glance_bias
        _add(glimpse, glance, x)
        reads, foreseen = seen[2 * n_see : 2 * n_see + n_read], seen[2 * n_see + n_read :]
        _add(reads, read_glance, glimpse)

        # the chain: attend over the trunk and the earlier words, answer, remember
        words[t] = -1
        judged[:] = judge_bias
        for k in range(n_steps):
            memo[0] = seen[k * width : (k + 1) * width]
            ask = seen[n_see + k * width : n_see + (k + 1) * width]
            for j in range(k + 1):
                weight[j] = 0
                for d in range(width):
                    weight[j] += memo[j, d] * ask[d] * root
            softmax(weight, k + 1)
            context[:] = 0
            _add(context, memo, weight[: k + 1])
            if foresees[k] > 0:
                thought[:] = expect_bias[k]
                _add(thought, expect[k], foreseen)
            else:
                thought[:] = reads[k * wide : (k + 1) * wide]
            _add(thought, recall[k], context)
            for i in range(wide):
                thought[i] = tanh(thought[i])
            logits[:] = answer_bias[k]
            _add(logits, answer[k], thought)
            word = 0
            for a in range(1, sizes[k]):
                if logits[a] > logits[word]:
                    word = a
            if imposed.shape[0] > 0 and imposed[t, order[k]] >= 0:
                word = imposed[t, order[k]]
            words[t, order[k]] = word
            memo[k + 1] = meaning[k, word]
            for j in range(n_judge):
                judged[j] += judge_words[k, word, j]

        # the judge: attention among the answers, then policy, value and exit
        for k in range(n_steps):
            weight[k] = 0
            for d in range(width):
                weight[k] += memo[k + 1, d] * weigh[d]
        softmax(weight, n_steps)
        context[:] = 0
        _add(context, memo[1:], weight[:n_steps])
        _add(judged, judge_summary, context)
        if n_past > 0:
            _add(judged, judge_past, hidden)
        for j in range(n_judge):
            judged[j] = tanh(judged[j])
        final[:] = heads_bias
        _add(final, heads, judged)
        line = out[t]
        for f in range(5):
            line[9 + f] = forecast_mean[f] + forecast_scale[f] * foreseen[f]
        for p in range(3):
            line[14 + p] = final[9 + p]
            line[17 + p] = sigmoid(final[12 + p])
        line[20:29] = final[:9]
        _decide(final[:9], line[14:17], line[17:20], tilt, line[:9])
