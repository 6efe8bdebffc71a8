"""A session of a certified agent: observe, decide, send, write down. Knows a mind and a desk; knows no file and no venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live.mind import Mind
from decot.live.record import around_of
from decot.market.desk import Desk
from decot.market.orders import Fill

BID, ASK, BID_QTY, ASK_QTY = (
    BAR_INPUTS.index(name) for name in ("bid_price", "ask_price", "bid_volume", "ask_volume")
)
Bar = tuple[int, npt.NDArray[np.float64]]
"""end of the bar in ms, and its values in the order of BAR_INPUTS"""


@dataclass(frozen=True, slots=True)
class Said:
    """A change of mind, with the words that are its computation."""

    t_ms: int
    row: int
    """bar of the session, from 0"""
    price: float
    position: int
    """held when it was decided"""
    target: int
    sentence: str
    sentence_fr: str
    words: tuple[int, ...]


@dataclass(slots=True)
class Log:
    """What a session leaves behind, bar by bar."""

    t_ms: list[int] = field(default_factory=list)
    kernel: list[npt.NDArray[np.float64]] = field(default_factory=list)
    """per bar, in the order of OUT_NAMES"""
    around: list[npt.NDArray[np.float64]] = field(default_factory=list)
    """per bar, news and context columns"""
    held: list[int] = field(default_factory=list)
    """what the mind was told it holds"""
    wanted: list[int] = field(default_factory=list)
    """what it chose; on the last bar nobody follows it"""
    target: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    equity_usdt: list[float] = field(default_factory=list)
    entry_price: list[float] = field(default_factory=list)
    fills: list[tuple[int, Fill]] = field(default_factory=list)
    """bar, fill"""
    said: list[Said] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def columns(self) -> dict[str, npt.NDArray[np.float64]]:
        """The market columns of every bar by name."""
        whole = np.array(self.kernel)
        return {name: whole[:, k] for k, name in enumerate(OUT_NAMES)}


def run_session(
    mind: Mind,
    desk: Desk,
    past: Iterable[Bar],
    bars: Iterable[Bar],
    *,
    latency_ms: float,
    on_bar: Callable[[int], None] | None = None,
) -> Log:
    """Warm the mind up on the past, then act on every bar as it ends, and leave the account flat.

    Args:
        past: bars before the session: seen, never traded on.
        latency_ms: from a decision to the book.
        on_bar: told how many bars are done.
    """
    for t_ms, values in past:
        mind.decide(mind.read(t_ms, values), 0)
    log, standing = Log(), 0
    last: Bar | None = None
    for t_ms, values in bars:
        if last is not None:
            standing = _bar(mind, desk, log, last, standing, latency_ms)
        last = (t_ms, values)
        if on_bar is not None:
            on_bar(len(log.t_ms))
    if last is not None:
        _bar(mind, desk, log, last, 0, latency_ms, is_last=True)
    log.refused = desk.refused
    return log


def _bar(
    mind: Mind, desk: Desk, log: Log, bar: Bar, standing: int, latency_ms: float, *, is_last: bool = False
) -> int:
    """One bar: fills first, then the decision on what it showed; gives the target that now stands."""
    t_ms, values = bar
    row = len(log.t_ms)
    fills = desk.advance(t_ms, values[BID], values[ASK], values[BID_QTY], values[ASK_QTY])
    columns = mind.read(t_ms, values)
    target, step = 0, mind.decide(columns, standing)
    if is_last:
        fills += desk.close()
    else:
        target = step.action
        desk.decide(target, latency_ms)
        if target != standing:
            price = (values[BID] + values[ASK]) / 2
            words = tuple(int(word) for word in step.words)
            log.said.append(Said(t_ms, row, price, standing, target, step.say("en"), step.say("fr"), words))
    log.t_ms.append(t_ms)
    log.kernel.append(columns[: len(OUT_NAMES)])
    log.around.append(around_of(columns))
    log.held.append(standing)
    log.wanted.append(step.action)
    log.target.append(target)
    log.position.append(desk.position)
    log.equity_usdt.append(desk.equity_usdt)
    log.entry_price.append(desk.entry_price)
    log.fills.extend((row, fill) for fill in fills)
    return target
