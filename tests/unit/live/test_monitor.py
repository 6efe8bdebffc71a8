"""The monitor on a made-up mind whose every habit is known. Ten-second bars, so that a day is 8,640 of them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from decot.errors import CheckpointRefused, ConfigError, GapInData
from decot.features.observation import OBSERVATION, OBSERVED
from decot.features.scaler import Scaler
from decot.live.context_buffer import ToldStep, event_of
from decot.live.habits import WATCHED
from decot.live.monitor import (
    CHANNELS,
    READINGS,
    SCORES,
    Baseline,
    Monitor,
    MonitorConfig,
    Verdict,
    latched,
    watching,
)
from decot.live.monitor_fit import Clean, fit_baseline, scores_of, surprise_table
from decot.model.play import Decisions
from decot.model.stream import Step
from decot.model.thoughts import Grounding
from decot.model.vocabulary import NAMES, OUTLOOK, QUESTIONS

CLOCK_MS, DAY = 10_000, 8_640
NEEDED = sorted({name for question in QUESTIONS for name in question.columns})


def waves(rng, n: int, width: int, memory: float = 0.9) -> np.ndarray:
    """(n, width) columns of unit variance that remember."""
    noise, out = rng.normal(size=(n, width)), np.empty((n, width))
    out[0] = noise[0]
    for t in range(1, n):
        out[t] = memory * out[t - 1] + np.sqrt(1 - memory**2) * noise[t]
    return out


@cache
def stretch(n: int, seed: int) -> tuple[np.ndarray, Clean, Grounding]:
    """Rows (n, 97) and a mind that reads them rightly nine times in ten, foresees a little, and acts on its outlook."""
    rng = np.random.default_rng(seed)
    rows = waves(rng, n, len(OBSERVED))
    ahead = waves(rng, n, 1, 0.5)[:, 0]
    columns = {name: rows[:, OBSERVED.index(name)] for name in NEEDED if name in OBSERVED}
    columns |= {"future_return_10s": 1e-4 * ahead, "future_max_dd": -1e-4 * np.abs(ahead)}
    for name in ("pattern_match", "news_known"):
        columns[name][:] = columns[name] > 1
    grounding = _grounding() if seed else Grounding.fit(columns)
    grounded = grounding.label(columns)
    words, wrong = grounded.copy(), rng.random(grounded.shape) < 0.1
    words[wrong] = np.array([question.neutral for question in QUESTIONS], np.int8)[np.nonzero(wrong)[1]]
    foreseen = 0.5 * ahead + 0.5 * rng.normal(size=n)
    words[:, OUTLOOK] = 2 + np.clip(np.round(foreseen), -2, 2)
    forecasts = np.stack([0.6 * foreseen, foreseen, foreseen, -np.abs(foreseen), np.abs(foreseen)], 1)
    actions = np.sign(words[:, OUTLOOK] - 2).astype(np.int8)
    mid = 90_000 * np.exp(np.concatenate([[0.0], np.cumsum(1e-4 * ahead)[:-1]]))
    seen = waves(rng, n, len(OBSERVATION)).astype(np.float32)
    none = np.zeros((n, 3), np.float32)
    decisions = Decisions(np.zeros((n, 3), np.int8), words, np.zeros((n, 3, 3), np.float32),
                          forecasts.astype(np.float32), none, none)  # fmt: skip
    return rows, Clean(seen, grounded, decisions, actions, mid), grounding


def _grounding() -> Grounding:
    return stretch(6_000, 0)[2]


@cache
def baseline() -> Baseline:
    taught, unseen = stretch(6_000, 0)[1], stretch(5_000, 1)[1]
    return fit_baseline(
        taught, unseen, _grounding(), clock_ms=CLOCK_MS, cfg=MonitorConfig(is_latched=False), days=4
    )


def ticks(rows: np.ndarray, clean: Clean, start: int = 0):
    """What a worker would hand over, bar by bar."""
    held = clean.held()
    for t in range(start, len(clean)):
        d = clean.decisions
        step = Step(action=int(clean.actions[t]), position=int(held[t]), words=d.words[t], probs=d.probs[t],
                    forecasts=d.forecasts[t], value=d.value[t], exit_prob=d.exit_prob[t])  # fmt: skip
        yield rows[t], clean.seen[t], step, float(clean.mid[t])


def broken(clean: Clean, fault: str, at: int) -> Clean:
    """The same stretch with something wrong from one bar on."""
    words, forecasts = clean.decisions.words.copy(), clean.decisions.forecasts.copy()
    seen, actions = clean.seen.copy(), clean.actions.copy()
    rng = np.random.default_rng(9)
    if fault == "corrupted words":
        hit = rng.random(words[at:].shape) < 0.2
        words[at:][hit] = rng.integers(0, np.broadcast_to([len(q.en) for q in QUESTIONS], hit.shape))[hit]
    elif fault == "frozen column":
        seen[at:, 5] = seen[at, 5]
    elif fault == "another market":
        seen[at:] *= 3
    elif fault == "swapped sides":
        actions[at:] = -actions[at:]
    elif fault == "heads exchanged":
        forecasts[at:, [1, 3]] = forecasts[at:, [3, 1]]
    elif fault == "forecasts turned round":
        forecasts[at:, :3] = -forecasts[at:, :3]
    return replace(clean, seen=seen, actions=actions,
                   decisions=replace(clean.decisions, words=words, forecasts=forecasts))  # fmt: skip


def test_clean_days_are_left_in_peace():
    """Over two clean days never seen, alarms stay within thrice what was declared; going flat is rarer."""
    rows, clean, _ = stretch(2 * DAY, 2)
    monitor, before, told = Monitor(baseline()), "normal", {"reduce": 0, "flat": 0}
    for tick in ticks(rows, clean):
        verdict = monitor.step(*tick)
        told["reduce"] += before == "normal" != verdict.level
        told["flat"] += before != "flat" == verdict.level
        before = verdict.level
    assert told["reduce"] <= 6
    assert told["flat"] <= 1
    assert 1 < verdict.facts["perplexity"] < 3
    assert verdict.facts["forecast_correlation"] > 0.5


@pytest.mark.parametrize(
    ("fault", "channels"),
    [
        ("corrupted words", {"chain", "contradiction"}),
        ("frozen column", {"frozen", "drift"}),
        ("another market", {"drift", "breadth"}),
        ("swapped sides", {"conduct"}),
        ("heads exchanged", {"heads", "drift"}),
        ("forecasts turned round", {"forecasts", "heads"}),
    ],
)
def test_what_is_broken_is_found_and_named(fault, channels):
    """Each fault is met with reduce, then flat, within 4,000 bars, by the channel made for it; the reason says which."""
    at = 1_000
    rows, clean, _ = stretch(5_000, 3)
    monitor, levels = Monitor(baseline()), []
    for t, tick in enumerate(ticks(rows, broken(clean, fault, at))):
        verdict = monitor.step(*tick)
        if verdict.level != "normal":
            levels.append((t - at, verdict.level, verdict.why))
        if verdict.level == "flat":
            break
    assert levels
    assert levels[0][0] >= 0
    assert any(f"({name} " in levels[0][2] for name in channels), levels[0]
    assert levels[-1][1] == "flat" or fault == "forecasts turned round"


def test_calibration_measures_what_is_watched():
    """The scores of the batch that bounds come from are the scores of the live monitor, bar for bar."""
    rows, clean, _ = stretch(2_500, 4)
    base = baseline()
    batch = scores_of(clean, base.table, base.acts, base.forecast, 1, base.kin)
    monitor = Monitor(base)
    live = []
    for row, seen, step, mid in ticks(rows[:400], replace_length(clean, 400)):
        live.append(monitor._scores(row, seen, step, mid, None))
        monitor._n += 1
    np.testing.assert_allclose(np.array(live)[1:], batch[1:400], atol=1e-6)


def replace_length(clean: Clean, n: int) -> Clean:
    d = clean.decisions
    cut = Decisions(
        *(
            getattr(d, name)[:n]
            for name in ("actions_if", "words", "probs", "forecasts", "value", "exit_prob")
        )
    )
    return Clean(clean.seen[:n], clean.grounded[:n], cut, clean.actions[:n], clean.mid[:n])


def test_reduce_lets_out_and_not_in():
    """Reduced: what is held may be kept or left, nothing may be entered or turned. Flat: nothing is held."""
    reduce, flat, normal = (Verdict(level, "") for level in ("reduce", "flat", "normal"))
    for held in (-1, 0, 1):
        for wanted in (-1, 0, 1):
            assert normal.target(wanted, held) == wanted
            assert flat.target(wanted, held) == 0
            assert reduce.target(wanted, held) == (held if wanted == held else 0)


def test_flat_stays_until_a_person_resets_it():
    """Latched, the verdict outlives its cause; reset lifts it and forgets."""
    rows, clean, _ = stretch(5_000, 3)
    monitor = Monitor(latched(baseline(), True))
    for tick in ticks(rows, broken(clean, "corrupted words", 100)):
        if monitor.step(*tick).level == "flat":
            break
    assert monitor.level == "flat"
    for tick in list(ticks(rows, clean))[2_000:4_000]:
        assert monitor.step(*tick).level == "flat"
    monitor.reset()
    assert monitor.step(*next(ticks(rows, clean))).level == "normal"


def test_what_was_told_is_not_held_against_it():
    """A word from outside is no contradiction and no surprise; the same word of its own is both."""
    rows, clean, _ = stretch(2_500, 5)
    row, seen, step, mid = next(ticks(rows, clean))
    news = NAMES.index("news")
    words = step.words.copy()
    words[news] = (clean.grounded[0, news] + 1) % 4
    told = np.full(len(NAMES), -1, np.int8)
    told[news] = words[news]
    odd = replace(step, words=words)
    place = 1 + READINGS.index(news)
    alone, excused = (Monitor(baseline())._scores(row, seen, odd, mid, given) for given in (None, told))
    assert (alone[place], excused[place]) == (1.0, 0.0)
    assert excused[SCORES.index("chain")] == baseline().mean[0]


def test_a_worker_is_told_a_state_and_a_reason():
    """The adapter scales the row as the mind does and answers in the worker's words, told steps included."""
    rows, clean, _ = stretch(2_500, 5)
    scaler = Scaler(np.zeros(len(OBSERVATION), np.float32), np.ones(len(OBSERVATION), np.float32))
    watch = watching(Monitor(baseline()), scaler)
    legal = np.abs(rows) + 1.0
    row, _, step, mid = next(ticks(legal, clean))
    row[OBSERVED.index("pattern_match")] = 0
    assert watch(row, step, mid) == ("running", "")
    names = ("action", "position", "words", "probs", "forecasts", "value", "exit_prob")
    parts = {name: getattr(step, name) for name in names}
    event = event_of("crash", for_s=1, now_us=0)
    assert watch(row, ToldStep(**parts, events=(event,), told=np.full(9, -1, np.int8)), mid)[0] == "running"


def test_a_baseline_is_the_same_after_being_put_away(tmp_path):
    """Saved and opened, it gives the same verdicts; an absent, foreign or torn file is refused with the way out."""
    file = baseline().save(tmp_path / "monitor.json")
    again = Baseline.open(file)
    assert set(again.bounds) == set(CHANNELS)
    rows, clean, _ = stretch(2_500, 5)
    one, two = Monitor(baseline()), Monitor(again)
    for tick in list(ticks(rows, clean))[:300]:
        a, b = one.step(*tick), two.step(*tick)
        assert a.level == b.level
        assert all(abs(a.figures[name][0] - b.figures[name][0]) < 1e-3 for name in CHANNELS)
    with pytest.raises(CheckpointRefused, match="fit the monitor"):
        Baseline.open(tmp_path / "absent.json")
    for text in ("{}", file.read_text()[:500]):
        file.write_text(text)
        with pytest.raises(CheckpointRefused, match="fit it again"):
            Baseline.open(file)
    assert json.loads(json.dumps(baseline().to_json()))["clock_ms"] == CLOCK_MS


def test_unseen_chains_surprise_and_taught_ones_do_not():
    """Over the words it was counted on, the table's probabilities sum to one and repeated chains cost little."""
    words = np.tile(np.array([[2, 1, 2, 2, 0, 0, 0, 2, 1]], np.int8), (500, 1))
    table = surprise_table(words)
    assert table[0, 2 + 2, 0, 2 + 2] < 0.02
    assert table[0, 2 + 2, 0, 2 + 0] > 3
    np.testing.assert_allclose(np.exp(-table).sum(-1), 1.0)


def test_settings_and_too_little_data_are_refused():
    """Every bad setting is named at once; too few rows say how many are needed."""
    with pytest.raises(ConfigError) as refused:
        MonitorConfig(every=0, half_life=-1, reduce_per_day=0.1, flat_per_day=1.0)
    assert len(refused.value.faults) == 3
    short = replace_length(stretch(2_500, 4)[1], 100)
    with pytest.raises(GapInData, match="100 unseen rows"):
        fit_baseline(stretch(6_000, 0)[1], short, _grounding(), clock_ms=CLOCK_MS)


def test_a_clock_that_turns_is_not_frozen():
    """The cosine of the hour hardly moves around noon: clocks and news may stand still for ever, the market may not."""
    longest = dict(zip(WATCHED, baseline().longest_run))
    assert all(np.isinf(longest[name]) for name in ("hour_sin", "hour_cos", "news_known", "text_0"))
    assert np.isfinite(longest["imb_5"])
