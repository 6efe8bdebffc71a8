"""A recorded session run again, life by life: the same decisions, and how far its fills lie from the simulator's.

Every life of the worker is run twice: bar by bar through a fresh mind that is warmed up on what that life was warmed up on
(the same decisions, bit for bit), and through the simulator from what the life began with (the same fills: exactly on
paper; live, the differences are the report). What cannot be run again is said to be so, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live.mind import Mind
from decot.live.record import AROUND, FIELDS, Recorded, Warm
from decot.market.account import Account, fresh
from decot.market.desk import Desk
from decot.market.rules import VenueRules
from decot.market.simulate import simulate
from decot.market.tape import Tape
from schemas.columns import TEXT

_NEAR_MS = 10_000
"""a fill further from every simulated one has no partner"""
Bars = Sequence[tuple[int, npt.NDArray[np.float64]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is known of one life of the worker besides its bars."""

    number: int
    warm: Warm | None
    """None: what it was warmed up on was not kept"""
    begins_with: npt.NDArray[np.float64] | None = None
    """state of the desk it took over; None when there was none"""
    cash_usdt: float = 0.0
    """what it began with, 0 for the account's own capital"""
    has_ended: bool = True
    """left the market by itself; a killed one did not"""
    unlike: str = ""
    """why its fills cannot be held against the simulator, empty when they can"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeAgain:
    """One life against its replay."""

    life: int
    n_bars: int
    n_same: int
    """decisions; 0 when they could not be made again"""
    n_fills: int
    n_simulated: int
    n_matched: int
    why: str = ""
    """what of it could not be run again; empty when all of it could"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A recorded session against its replay; figures are of what could be run again."""

    n_decisions: int
    n_same: int
    first_difference: int
    """row of the first decision that differs, −1 when none does"""
    n_fills: int
    n_simulated: int
    n_matched: int
    """fills of the same side, at the same bar, price and quantity as simulated"""
    price_error_bps: float
    """mean over the fills that have a partner; against the account when positive"""
    price_error_max_bps: float
    time_error_ms: float
    """mean; positive when the session was later than the simulator"""
    equity_error_usdt: float
    """session − simulation at the end of each life, summed"""
    n_bars: int = 0
    """of the whole session, what could not be run again included"""
    lives: tuple[LifeAgain, ...] = ()

    @property
    def covers_all(self) -> bool:
        """Whether every life was run again whole."""
        return self.n_decisions == self.n_bars and not any(one.why for one in self.lives)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with `covers_all`."""
        return asdict(self) | {"covers_all": self.covers_all}


def replayed(
    make_mind: Callable[[], Mind],
    past: Bars,
    recorded: Recorded,
    fills: Sequence[Mapping[str, Any]],
    rules: VenueRules,
    account: Account,
    *,
    told: Sequence[Mapping[str, Any]] = (),
) -> Compared:
    """Run a session of one life again.

    Args:
        past: the bars it was warmed up on, without anything around them.
        fills: as the session published them.
        told: what was said into the chain from outside: row, question, answer, ticks.
    """
    warm = [(t_ms, values, np.zeros(len(AROUND))) for t_ms, values in past]
    (number,) = recorded.lives()
    return lives_again(
        make_mind, [Life(number=number, warm=warm)], recorded, fills, rules, account, told=told
    )


def lives_again(
    make_mind: Callable[[], Mind],
    lives: Sequence[Life],
    recorded: Recorded,
    fills: Sequence[Mapping[str, Any]],
    rules: VenueRules,
    account: Account,
    *,
    told: Sequence[Mapping[str, Any]] = (),
) -> Compared:
    """Run a session again, each life from what it began with."""
    rows: list[LifeAgain] = []
    prices: list[float] = []
    times: list[float] = []
    first_difference, before, apart = -1, 0, 0.0
    begins = [int(recorded.life(life.number).column("timestamp")[0]) for life in lives]
    for k, life in enumerate(lives):
        mine = recorded.life(life.number)
        until = int(mine.column("timestamp")[-1])
        last = until if not life.has_ended else (begins[k + 1] - 1 if k + 1 < len(lives) else 1 << 62)
        since = begins[k] if k else -(1 << 62)
        own = [fill for fill in fills if since <= fill["t_ms"] <= last]
        said = [one for one in told if int(one.get("life", 0)) == life.number]
        same = np.zeros(0, bool)
        if life.warm is not None:
            same = decisions_again(make_mind(), life.warm, mine, said)
        if not same.all() and first_difference < 0:
            first_difference = before + int(np.flatnonzero(~same)[0])
        before += len(mine)
        why = [] if life.warm is not None else ["what it was warmed up on was not kept"]
        why += [life.unlike] if life.unlike else []
        n_simulated = n_matched = 0
        if not life.unlike:
            simulated, equity = _simulated(life, mine, rules, account)
            pairs = _paired(own, simulated)
            prices += [_worse_bps(one, other) for one, other in pairs]
            times += [float(one["t_ms"] - other["timestamp"]) for one, other in pairs]
            n_simulated, n_matched = len(simulated), sum(_is_same(one, other, rules) for one, other in pairs)
            apart += float(mine.column("equity_usdt")[-1]) - equity
        rows.append(
            LifeAgain(
                life=life.number,
                n_bars=len(mine),
                n_same=int(same.sum()),
                n_fills=len(own),
                n_simulated=n_simulated,
                n_matched=n_matched,
                why="; ".join(why),
            )
        )
    told_again = [row.n_bars for row, life in zip(rows, lives) if life.warm is not None]
    return Compared(
        n_decisions=sum(told_again),
        n_same=sum(row.n_same for row in rows),
        first_difference=first_difference,
        n_fills=sum(row.n_fills for row in rows),
        n_simulated=sum(row.n_simulated for row in rows),
        n_matched=sum(row.n_matched for row in rows),
        price_error_bps=float(np.mean(prices)) if prices else 0.0,
        price_error_max_bps=float(np.max(np.abs(prices))) if prices else 0.0,
        time_error_ms=float(np.mean(times)) if times else 0.0,
        equity_error_usdt=apart,
        n_bars=len(recorded),
        lives=tuple(rows),
    )


def decisions_again(
    mind: Mind, past: Warm, recorded: Recorded, told: Sequence[Mapping[str, Any]] = ()
) -> npt.NDArray[np.bool_]:
    """(T,) whether a fresh mind reads the same columns and chooses the same on every recorded bar of one life.

    What was around the market (news, servers) is given to it as it was given then.
    """
    stamps, held, wanted = (recorded.column(name).astype(int) for name in ("timestamp", "held", "wanted"))
    around = {t_ms: row for t_ms, _, row in past} | dict(zip(stamps.tolist(), recorded.around))
    mind.news = lambda t_ms: around[t_ms][: len(TEXT)]
    mind.outside = lambda t_ms: around[t_ms][len(TEXT) :]
    for t_ms, values, _ in past:
        mind.decide(mind.read(t_ms, values), 0)
    values = recorded.rows[:, [FIELDS.index(name) for name in BAR_INPUTS]]
    heard: dict[int, list[Mapping[str, Any]]] = {}
    for said in told:
        heard.setdefault(int(said["row"]), []).append(said)
    same = np.zeros(len(recorded), bool)
    for row in range(len(recorded)):
        for said in heard.get(row, ()):
            mind.agent.hear(str(said["question"]), said["answer"], int(said["ticks"]))
        columns = mind.read(int(stamps[row]), np.ascontiguousarray(values[row]))
        step = mind.decide(columns, int(held[row]))
        same[row] = step.action == wanted[row] and np.array_equal(
            columns[: len(OUT_NAMES)], recorded.kernel[row]
        )
    return same


def tape_of_session(recorded: Recorded) -> Tape:
    """The touches of a session with the very delays it had."""
    names = ("bid_price", "ask_price", "bid_volume", "ask_volume")
    bid, ask, bid_qty, ask_qty = (recorded.column(name) for name in names)
    stamps = recorded.column("timestamp").astype(np.int64)
    return Tape.of(stamps, bid, ask, bid_qty, ask_qty, latency_ms=recorded.column("delay_ms"))


def _simulated(
    life: Life, mine: Recorded, rules: VenueRules, account: Account
) -> tuple[Sequence[Mapping[str, Any]], float]:
    """The simulator's fills and its last equity; by its own desk where a life is no whole one.

    A later life begins with other cash, but orders are sized as ever: the account is the same one.
    """
    targets = mine.column("target").astype(np.int8)
    if life.begins_with is None and not life.cash_usdt and life.has_ended:
        run = simulate(tape_of_session(mine), targets, rules, account)
        names = ("timestamp", "side", "price", "qty")
        return [{name: fill[name] for name in names} for fill in run.fills], float(run.equity_usdt[-1])
    desk, found = Desk(rules, account), []
    if life.begins_with is not None:
        desk.state[:] = life.begins_with
    elif life.cash_usdt:
        fresh(desk.state, life.cash_usdt)
    stamps, delays = mine.column("timestamp").astype(int), mine.column("delay_ms")
    touches = np.stack([mine.column(n) for n in ("bid_price", "ask_price", "bid_volume", "ask_volume")], 1)
    for row, t_ms in enumerate(stamps.tolist()):
        filled = desk.advance(t_ms, *(float(x) for x in touches[row]))
        if row == len(mine) - 1 and life.has_ended:
            filled += desk.close()
        desk.decide(int(targets[row]), float(delays[row]))
        found += [{"timestamp": t_ms, "side": one.side, "price": one.price, "qty": one.qty} for one in filled]
    return found, float(desk.equity_usdt)


def _is_same(mine: Mapping[str, Any], theirs: Mapping[str, Any], rules: VenueRules) -> bool:
    return bool(
        mine["price"] == theirs["price"]
        and abs(mine["qty"] - theirs["qty"]) < rules.lot / 2
        and mine["t_ms"] == theirs["timestamp"]
    )


def _paired(
    fills: Sequence[Mapping[str, Any]], simulated: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each fill with the simulated one of its side that is nearest in time, within `_NEAR_MS`; none is used twice."""
    pairs = []
    times = np.array([one["timestamp"] for one in simulated], np.int64)
    sides = np.array([one["side"] for one in simulated], np.int64)
    is_free = np.ones(len(simulated), bool)
    for mine in fills:
        apart = np.abs(times - mine["t_ms"])
        usable = is_free & (sides == mine["side"]) & (apart <= _NEAR_MS)
        if usable.any():
            k = int(np.argmin(np.where(usable, apart, np.iinfo(np.int64).max)))
            is_free[k] = False
            pairs.append((mine, simulated[k]))
    return pairs


def _worse_bps(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    return float(mine["side"] * (mine["price"] - theirs["price"]) / theirs["price"] * 1e4)
