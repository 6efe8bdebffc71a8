"""Does it come out the same again? An artefact in a fresh process on the day it was judged on; a session from its record.

A recorded session is run again twice: bar by bar through a fresh mind (the same decisions, bit for bit), and through the
simulator (the same fills: exactly on paper; live, the differences are the report).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decot.errors import CheckpointRefused
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import rejoin
from decot.experiment.train import targets_on
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.gate.evidence import pnl_digest
from decot.live.mind import Mind
from decot.live.record import FIELDS, Recorded
from decot.market.account import Account
from decot.market.rules import VenueRules
from decot.market.simulate import simulate
from decot.market.tape import Tape
from decot.model.checkpoint import load
from schemas.ref import Ref

_PATIENCE_S = 600.0
_NEAR_MS = 10_000
"""a fill further from every simulated one has no partner"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A recorded session against its replay."""

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
    """session − simulation at the end"""


def replayed(
    make_mind: Callable[[], Mind],
    past: Sequence[tuple[int, np.ndarray]],
    recorded: Recorded,
    fills: Sequence[Mapping[str, Any]],
    rules: VenueRules,
    account: Account,
    *,
    told: Sequence[Mapping[str, Any]] = (),
) -> Compared:
    """Run a session of one life again.

    Args:
        past: the bars it was warmed up on.
        fills: as the session published them.
        told: what was said into the chain from outside: row, question, answer, ticks.
    """
    same = decisions_again(make_mind(), past, recorded, told)
    wrong = np.flatnonzero(~same)
    simulated = simulate(tape_of_session(recorded), recorded.column("target").astype(np.int8), rules, account)
    pairs = _paired(fills, simulated.fills)
    prices = [_worse_bps(mine, theirs) for mine, theirs in pairs]
    times = [float(mine["t_ms"] - theirs["timestamp"]) for mine, theirs in pairs]
    exact = [
        bool(
            mine["price"] == theirs["price"]
            and abs(mine["qty"] - theirs["qty"]) < rules.lot / 2
            and mine["t_ms"] == theirs["timestamp"]
        )
        for mine, theirs in pairs
    ]
    return Compared(
        n_decisions=len(recorded),
        n_same=int(same.sum()),
        first_difference=int(wrong[0]) if len(wrong) else -1,
        n_fills=len(fills),
        n_simulated=len(simulated.fills),
        n_matched=sum(exact),
        price_error_bps=float(np.mean(prices)) if prices else 0.0,
        price_error_max_bps=float(np.max(np.abs(prices))) if prices else 0.0,
        time_error_ms=float(np.mean(times)) if times else 0.0,
        equity_error_usdt=float(recorded.column("equity_usdt")[-1] - simulated.equity_usdt[-1]),
    )


def decisions_again(
    mind: Mind,
    past: Sequence[tuple[int, np.ndarray]],
    recorded: Recorded,
    told: Sequence[Mapping[str, Any]] = (),
) -> npt.NDArray[np.bool_]:
    """(T,) whether a fresh mind reads the same columns and chooses the same on every recorded bar."""
    for t_ms, values in past:
        mind.decide(mind.read(t_ms, values), 0)
    stamps, held, wanted = (recorded.column(name).astype(int) for name in ("timestamp", "held", "wanted"))
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


def _paired(fills: Sequence[Mapping[str, Any]], simulated: np.ndarray) -> list[tuple[Mapping[str, Any], Any]]:
    """Each fill with the simulated one of its side that is nearest in time, within `_NEAR_MS`; none is used twice."""
    pairs, times, sides = [], simulated["timestamp"], simulated["side"]
    is_free = np.ones(len(simulated), bool)
    for mine in fills:
        apart = np.abs(times - mine["t_ms"])
        usable = is_free & (sides == mine["side"]) & (apart <= _NEAR_MS)
        if usable.any():
            k = int(np.argmin(np.where(usable, apart, np.iinfo(np.int64).max)))
            is_free[k] = False
            pairs.append((mine, simulated[k]))
    return pairs


def _worse_bps(mine: Mapping[str, Any], theirs: Any) -> float:
    return float(mine["side"] * (mine["price"] - theirs["price"]) / theirs["price"] * 1e4)


def other_day_digest(experiment: Experiment, place: Place, features: Ref, artefact: Path) -> str:
    """sha256 over every equity and position of the artefact's account on the other day."""
    agent, manifest = load(artefact)
    school = rejoin(experiment, place.get(features), manifest)
    run = simulate(
        school.other.tape, targets_on(experiment, agent, school.other), school.rules, school.account
    )
    return pnl_digest(run)


def in_fresh_process(order: Order, features: Ref, artefact: Path) -> str:
    """`other_day_digest`, computed by a Python that has never seen the agent.

    Raises:
        CheckpointRefused: the process failed; its last words are in the message.
    """
    asked = json.dumps(
        {"order": order.to_dict(), "features": features.to_dict(), "artefact": str(artefact.resolve())}
    )
    done = subprocess.run(
        [sys.executable, "-m", "decot.experiment.replay"],
        input=asked,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise CheckpointRefused(f"{artefact.name} could not be replayed in a fresh process: {said[0]}")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Read the question from stdin, answer with a digest on stdout."""
    asked = json.loads(sys.stdin.read())
    order = Order(**asked["order"])
    digest = other_day_digest(
        Experiment.of(order), Place(order.home), Ref.from_dict(asked["features"]), Path(asked["artefact"])
    )
    sys.stdout.write(digest + "\n")


if __name__ == "__main__":
    main()
