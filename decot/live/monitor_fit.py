"""What is usual, and how far from it is an alarm: the monitor's baseline, from clean rows. Knows no market and no account.

Tables, cuts and shares come from rows the agent was taught on; means, spreads and bounds from rows it was not taught on.
Bounds: whole days are put together from random blocks of either part (moving-block bootstrap, Künsch 1989), every day is
watched as a live one would be, and the highest value of a channel within each hour is taken. Their law is fitted as
Gumbel's, the bound is where it is crossed as often per day as was declared, shared out evenly among the channels, then put
further out by a margin; of the two parts the wider bound counts. Every score and column is bounded by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from decot.errors import GapInData, ModelFault
from decot.live.drift import N_BINS, Bins, Fading
from decot.live.habits import (
    CHANNELS,
    FORECAST_5S,
    FORECAST_10S,
    OF_HEADS,
    OF_READINGS,
    SCORES,
    WATCHED,
    Array,
    Baseline,
    MonitorConfig,
    Words,
    contradictions,
    discord,
    misconduct,
    surprise,
    weights_of,
)
from decot.live.kinship import Kin
from decot.model.play import Decisions
from decot.model.thoughts import Grounding
from decot.model.vocabulary import N_QUESTIONS, NAMES, OUTLOOK

_LEAST_ROWS = 2_000
_EULER = 0.5772156649015329
ODD_ACTS, ODD_WORDS = 10, 12
"""acts of the most unlikely kind, contradictions of one question, within the memory of the running mean"""
EXCHANGED_FLAT = 1.5
"""flat, where the exchange is by half as likely again as heads that are themselves usually are"""
STANDS = (1.0, 3.0)
"""a column may stand still as long as `longest_run` says, and not thrice that"""


@dataclass(frozen=True, slots=True, eq=False)
class Clean:
    """One contiguous stretch on which nothing was wrong."""

    seen: npt.NDArray[np.float32]
    """(T, F) scaled observations"""
    grounded: Words
    """(T, 9) what the columns say"""
    decisions: Decisions
    actions: npt.NDArray[np.int8]
    """(T,) targets of an account that follows the agent"""
    mid: Array
    """(T,)"""

    def __len__(self) -> int:
        return len(self.mid)

    def held(self) -> npt.NDArray[np.int8]:
        """(T,) the position before each decision."""
        return np.concatenate([np.zeros(1, np.int8), self.actions[:-1]])

    def watched(self) -> Array:
        """(T, W) in the order of WATCHED."""
        return np.concatenate([self.seen, self.decisions.forecasts], axis=1)


def fit_baseline(
    taught: Clean,
    unseen: Clean,
    grounding: Grounding,
    *,
    clock_ms: int,
    cfg: MonitorConfig | None = None,
    seed: int = 0,
    days: int = 12,
    on_step: Callable[[int, int], None] | None = None,
) -> Baseline:
    """Learn what is usual and calibrate the bounds.

    Args:
        taught: training rows; unseen: clean rows the agent was not taught on (its validation part).
        days: whole days that are put together for calibration.
        on_step: told how many bars of them are done, and of how many.
    Raises:
        GapInData: too few rows to say what is usual.
    """
    cfg = cfg or MonitorConfig()
    if min(len(taught), len(unseen)) < _LEAST_ROWS:
        raise GapInData(
            f"monitor: {len(taught)} taught and {len(unseen)} unseen rows; at least {_LEAST_ROWS} of each are needed"
        )
    table, acts = surprise_table(taught.decisions.words), act_table(taught)
    bins = _bins(taught, cfg)
    ahead = max(1, round(10_000 / clock_ms))
    forecasts = unseen.decisions.forecasts.astype(np.float64)
    ten, five = forecasts[:, FORECAST_10S], forecasts[:, FORECAST_5S]
    move = _above(np.log(unseen.mid[ahead:] / unseen.mid[:-ahead]).std())
    usual = (float(ten.mean()), _above(ten.std()), move, float(five.mean()), _above(five.std()))
    kin = Kin.fit(taught.seen, taught.decisions.forecasts, _asked(taught.seen, cfg))
    scores = scores_of(unseen, table, acts, usual, ahead, kin)
    spread = np.maximum(scores.std(0), np.sqrt(_rare(scores)))
    half_made = Baseline(
        cfg=cfg,
        clock_ms=clock_ms,
        grounding=grounding,
        table=table,
        acts=acts,
        mean=scores.mean(0),
        spread=spread,
        taught=_for_people(taught, table, acts, usual, ahead, kin),
        bins=bins,
        usual_psi=np.ones(len(bins.names)),
        longest_run=_longest(cfg, taught, unseen),
        forecast=usual,
        kin=kin,
        bounds=dict.fromkeys(CHANNELS, (np.inf, np.inf)),
    )
    half_made = replace(half_made, usual_psi=_usual_psi(half_made, unseen, taught))
    rng = np.random.default_rng(seed)
    lived = [_days(half_made, part, days, rng, on_step, turn) for turn, part in enumerate((taught, unseen))]
    return _bounded(half_made, [one[0] for one in lived], [one[1] for one in lived])


def surprise_table(words: Words) -> Array:
    """−ln P(word | own word a bar before, word of the step before), counted; unseen pairs fall back on their parts.

    The counts of a pair are topped up with the shares of the own word alone (weight 2), and those with equal shares (0.5).
    """
    before = np.concatenate([np.full((1, N_QUESTIONS), -2, np.int8), words[:-1]])
    table = np.zeros((N_QUESTIONS, 8, 8, 8))
    for k in range(N_QUESTIONS):
        neighbour = words[:, k - 1] if k else np.full(len(words), -2, np.int8)
        np.add.at(table[k], (before[:, k] + 2, neighbour + 2, words[:, k] + 2), 1.0)
    own = table.sum(2, keepdims=True)
    own = (own + 0.5) / (own + 0.5).sum(-1, keepdims=True)
    shares = (table + 2.0 * own) / (table.sum(-1, keepdims=True) + 2.0)
    return np.asarray(-np.log(shares), np.float64)


def act_table(taught: Clean) -> Array:
    """−ln P(action | position, outlook), counted, every action half a time more than it was seen."""
    counts = np.full((3, 7, 3), 0.5)
    np.add.at(counts, (taught.held() + 1, taught.decisions.words[:, OUTLOOK] + 1, taught.actions + 1), 1.0)
    return np.asarray(-np.log(counts / counts.sum(-1, keepdims=True)), np.float64)


def scores_of(
    clean: Clean, table: Array, acts: Array, usual: tuple[float, ...], ahead: int, kin: Kin
) -> Array:
    """(T, S) what `Monitor` scores at every bar, for a whole stretch."""
    words = clean.decisions.words
    before = np.concatenate([np.full((1, N_QUESTIONS), -2, np.int8), words[:-1]])
    mean, spread, move, _, _ = usual
    forecast = (clean.decisions.forecasts[:, FORECAST_10S] - mean) / spread
    out = np.empty((len(clean), len(SCORES)))
    out[:, 0] = surprise(table, before, words)
    out[:, OF_READINGS] = contradictions(words, clean.grounded)
    out[:, OF_HEADS] = kin.exchanged(clean.decisions.forecasts, clean.seen)
    out[:, -3] = misconduct(acts, words, clean.held(), clean.actions)
    missed = -np.clip(forecast[:-ahead] * np.log(clean.mid[ahead:] / clean.mid[:-ahead]) / move, -4, 4)
    out[ahead:, -2], out[:ahead, -2] = missed, missed.mean()
    out[:, -1] = discord(clean.decisions.forecasts, usual)
    return out


def _bins(taught: Clean, cfg: MonitorConfig) -> Bins:
    """Cuts for every watched column that says something, and the words beside them."""
    watched = taught.watched()
    kept = [
        k for k, name in enumerate(WATCHED) if not name.startswith(cfg.skipped) and np.ptp(watched[:, k]) > 0
    ]
    words = {f"word:{name}": taught.decisions.words[:, k] for k, name in enumerate(NAMES)}
    return Bins.fit([WATCHED[k] for k in kept], watched[:, kept], words)


def _asked(seen: npt.NDArray[np.float32], cfg: MonitorConfig) -> npt.NDArray[np.int64]:
    """Columns a forecast may be explained by: those that moved, and neither clocks nor news."""
    moved = np.ptp(seen, axis=0) > 0
    return np.array([k for k in np.flatnonzero(moved) if not WATCHED[k].startswith(cfg.skipped)], np.int64)


def _rare(scores: Array) -> Array:
    """Variance of an event that was nearly never seen, as if it had been seen half a time more."""
    p = (np.abs(scores).sum(0) + 0.5) / (len(scores) + 1.0)
    p[OF_HEADS] = 1.0  # a score that is never still
    return np.where(p < 0.5, p * (1 - p), 1e-6)


def _longest(cfg: MonitorConfig, *parts: Clean) -> Array:
    """(W,) bars a column may stand still: three times its longest stand and a minute; endless for sleepy columns.

    Clocks stand still where they turn (the cosine of the hour at noon), and news until there are some: endless too.
    """
    longest = np.zeros(len(WATCHED))
    least = min(len(part) for part in parts)
    for part in parts:
        still = np.diff(part.watched(), axis=0) == 0
        run = np.zeros(len(WATCHED))
        for row in still:
            run = (run + 1) * row
            np.maximum(longest, run, out=longest)
    is_no_sign = np.array([name.startswith(cfg.skipped) for name in WATCHED])
    return np.where((longest > least / 10) | is_no_sign, np.inf, 3 * longest + 60)


def _for_people(
    taught: Clean, table: Array, acts: Array, usual: tuple[float, ...], ahead: int, kin: Kin
) -> dict[str, float]:
    mean = scores_of(taught, table, acts, usual, ahead, kin).mean(0)
    rates = {name: float(value) for name, value in zip(SCORES, mean) if name != "chain"}
    return {"perplexity": float(np.exp(mean[0])), **rates}


def _codes(base: Baseline, part: Clean) -> npt.NDArray[np.int8]:
    kept = [WATCHED.index(name) for name in base.bins.names if ":" not in name]
    return base.bins.codes(part.watched()[:, kept], part.decisions.words)


def _usual_psi(base: Baseline, *parts: Clean) -> Array:
    """(C,) what the PSI of each column reaches in 95 of 100 looks, on the part where it reaches more."""
    usual = np.full(len(base.bins.names), 0.05)
    for part in parts:
        fading, looks = Fading(base.bins, base.cfg.drift_half_life), []
        for t, codes in enumerate(_codes(base, part)):
            fading.add(codes[None])
            if t % base.cfg.every == 0:
                looks.append(fading.psi()[0])
        np.maximum(usual, np.quantile(np.stack(looks), 0.95, axis=0), out=usual)
    return usual


def _days(
    base: Baseline, part: Clean, days: int, rng: np.random.Generator,
    on_step: Callable[[int, int], None] | None, turn: int,
) -> tuple[Array, Array]:  # fmt: skip
    """What days made up of random blocks of one part are like.

    (hours, S) the highest mean of each score within each hour; (looks, days, C) the PSI of each column over its usual one.
    """
    cfg, n = base.cfg, round(86_400_000 / base.clock_ms)
    ahead, hour = max(1, round(10_000 / base.clock_ms)), max(1, n // 24)
    codes = _codes(base, part)
    raw = scores_of(part, base.table, base.acts, base.forecast, ahead, base.kin)
    z = (raw - base.mean) / base.spread
    block = min(len(part) // 2, max(300, round(2 * cfg.drift_half_life)))
    firsts = rng.integers(0, len(part) - block + 1, size=(-(-n // block), days))
    weight, fading = weights_of(cfg), Fading(base.bins, cfg.drift_half_life, days)
    mean, peaks, looks = np.zeros((days, len(SCORES))), np.full((24, days, len(SCORES)), -np.inf), []
    for t in range(n):
        at = firsts[t // block] + t % block
        mean += weight * (z[at] - mean)
        into = peaks[min(23, t // hour)]
        np.maximum(into, mean, out=into)
        fading.add(codes[at])
        if t % (3 * cfg.every) == 0:
            looks.append(fading.psi() / base.usual_psi)
            if on_step is not None:
                on_step(turn * n + t, 2 * n)
    return peaks.reshape(24 * days, -1), np.stack(looks)


def _hourly(values: Array) -> Array:
    """(looks, days, …) → (24 · days, …) the highest of each hour, hours first."""
    return np.concatenate([part.max(0) for part in np.array_split(values, 24)])


def _bound(peaks: Array, cfg: MonitorConfig, n_series: int) -> tuple[float, float]:
    """Where Gumbel's law of the hourly peak is crossed as often per day as one of n series may, and a margin."""
    middle = float(peaks.mean())
    scale = max(float(peaks.std(ddof=1)) * np.sqrt(6) / np.pi, 0.02 * abs(middle), 1e-6)
    low, high = (
        middle + cfg.margin * scale * float(np.log(24 * n_series / rate) - _EULER)
        for rate in (cfg.reduce_per_day, cfg.flat_per_day)
    )
    return low, high


def _widest(parts: list[Array], cfg: MonitorConfig, n_series: int) -> Array:
    """(series, 2) reduce and flat bounds of every series, the wider ones of both parts."""
    found = [[_bound(part[:, k], cfg, n_series) for k in range(part.shape[1])] for part in parts]
    return np.asarray(np.max(np.array(found), axis=0), np.float64)


def _bounded(base: Baseline, peaks: list[Array], looks: list[Array]) -> Baseline:
    """Every score and column in units of its own reduce bound, so that a noisy one does not hide the others.

    Where hardly anything odd was ever said or done, a single oddity would sound the alarm: it takes some. Two heads count
    as exchanged only where that is the likelier story: above a score of 0, whatever calibration says.
    """
    cfg, n_series = base.cfg, len(SCORES) + 2
    scores = _widest(peaks, cfg, n_series)
    columns = _widest([_hourly(part) for part in looks], cfg, n_series * len(base.usual_psi))
    breadth = [_hourly(np.minimum(part / columns[:, 0], 3.0).mean(2))[:, None] for part in looks]
    spread_out = _widest(breadth, cfg, n_series)[0]
    low = np.maximum(scores[:, 0], _oddities(base))
    flat = np.maximum(2.0, scores[:, 1] / low)
    flat[OF_HEADS] = np.maximum(EXCHANGED_FLAT, scores[OF_HEADS, 1] / low[OF_HEADS])
    forecasts = slice(-2, None)
    bounds = {
        "chain": (1.0, float(flat[0])),
        "contradiction": (1.0, float(flat[OF_READINGS].max())),
        "heads": (1.0, float(flat[OF_HEADS].max())),
        "conduct": (1.0, float(flat[-3])),
        "forecasts": (1.0, float(flat[forecasts].max())),
        "drift": (1.0, float((columns[:, 1] / columns[:, 0]).max())),
        "breadth": (float(spread_out[0]), float(spread_out[1])),
        "frozen": STANDS,
    }
    return replace(
        base,
        spread=base.spread * low,
        usual_psi=base.usual_psi * columns[:, 0],
        bounds={c: bounds[c] for c in CHANNELS},
    )


def _oddities(base: Baseline) -> Array:
    """(S,) the least bound: what so many oddities of the worst kind leave behind; for heads, where both stories tie."""
    worst, count = np.zeros(len(SCORES)), np.zeros(len(SCORES))
    worst[OF_READINGS], count[OF_READINGS] = 1.0, ODD_WORDS
    worst[-3], count[-3] = float(base.acts.max()), ODD_ACTS
    least = count * weights_of(base.cfg) * (worst - base.mean) / base.spread
    least[OF_HEADS] = -base.mean[OF_HEADS] / base.spread[OF_HEADS]
    return np.asarray(np.maximum(least, 1e-3), np.float64)


def _above(value: float) -> float:
    if not value > 0:
        raise ModelFault(
            "monitor: the forecast or the price never moves on the unseen rows; there is nothing to watch"
        )
    return float(value)


assert N_BINS > 7
