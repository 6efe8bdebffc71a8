"""Limits that stop trading, each with its figure and its bound. Knows numbers and a time; knows no venue and no words.

Three answers, in this order: `halted` (a person must release it: drawdown, broken limits), `flat` (out, until the reason is
gone or the day is over), `reduced` (may leave, may not enter). What cannot be computed counts as broken: a limit that
is not a number stops trading.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from decot.errors import ConfigError
from decot.live.snapshot import State

DAY_MS = 86_400_000
ORDER = ("running", "reduced", "flat", "halted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where trading ends."""

    capital_cap_usdt: float = 20.0
    """the account must be worth less than this at the start"""
    position_usdt: float = 20.0
    """most that may be held"""
    orders_per_minute: float = 30.0
    daily_loss_usdt: float = 1.5
    """from the equity at the start of the UTC day; out for the rest of it"""
    drawdown_bps: float = 1_500.0
    """from the highest equity of the session; halted"""
    stale_s: float = 2.0
    """since the last quote; no entry, and out"""
    spread_bps: float = 30.0
    """no entry while it is wider"""
    skew_ms: float = 1_000.0
    """between the venue's clock and ours; no entry"""
    refusals_in_a_row: float = 10.0
    """orders the venue refused one after another; halted"""

    def __post_init__(self) -> None:
        wrong = [item.name for item in fields(self) if not getattr(self, item.name) > 0]
        if wrong:
            raise ConfigError([f"limits.{name} = {getattr(self, name)} must be above 0" for name in wrong])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the limits are held against."""

    t_ms: int
    equity_usdt: float
    position_usdt: float
    bid: float
    ask: float
    stale_s: float
    skew_ms: float = 0.0
    anomaly: str = ""
    """what the reasoning monitor says, empty when all is well"""
    anomaly_state: State = "running"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done now, and every figure."""

    state: State
    why: str
    figures: dict[str, tuple[float, float, bool]]
    """name → (value, bound, whether it holds)"""


@dataclass(slots=True)
class Guard:
    """Holds the limits against each moment and remembers what must outlive it."""

    limits: Limits = field(default_factory=Limits)
    day: int = -1
    day_equity: float = math.nan
    peak: float = -math.inf
    refused_in_a_row: int = 0
    lost_day: int = -1
    """the UTC day whose loss limit was reached"""
    _orders: deque[int] = field(default_factory=deque)

    def admit(self, equity_usdt: float) -> list[str]:
        """Why an account may not be traded at all."""
        if equity_usdt < self.limits.capital_cap_usdt:
            return []
        return [
            f"the account is worth {equity_usdt:.2f} USDT, the cap is {self.limits.capital_cap_usdt:g}: "
            "move the rest elsewhere first"
        ]

    def remembered(self) -> dict[str, float]:
        """What a restart must not forget; finite numbers only."""
        said = {"day": self.day, "day_equity": self.day_equity, "peak": self.peak, "lost_day": self.lost_day}
        return {name: value for name, value in said.items() if math.isfinite(value)}

    def recall(self, said: Mapping[str, float]) -> None:
        """Take up where an earlier life ended."""
        self.day, self.lost_day = int(said.get("day", -1)), int(said.get("lost_day", -1))
        self.day_equity, self.peak = said.get("day_equity", math.nan), said.get("peak", -math.inf)

    def sent(self, t_ms: int, *, was_refused: bool) -> None:
        """An order went out."""
        self._orders.append(t_ms)
        self.refused_in_a_row = self.refused_in_a_row + 1 if was_refused else 0

    def weigh(self, now: Moment) -> Verdict:
        """What may be done at this moment."""
        self._remember(now)
        limits, mid = self.limits, (now.bid + now.ask) / 2
        figures = {
            "position_usdt": (abs(now.position_usdt), limits.position_usdt),
            "orders_per_minute": (float(self._rate(now.t_ms)), limits.orders_per_minute),
            "daily_loss_usdt": (self.day_equity - now.equity_usdt, limits.daily_loss_usdt),
            "drawdown_bps": (self.drawdown_bps(now.equity_usdt), limits.drawdown_bps),
            "stale_s": (now.stale_s, limits.stale_s),
            "spread_bps": ((now.ask - now.bid) / mid * 1e4 if mid else math.nan, limits.spread_bps),
            "skew_ms": (abs(now.skew_ms), limits.skew_ms),
            "refusals_in_a_row": (float(self.refused_in_a_row), limits.refusals_in_a_row),
        }
        judged = {name: (value, bound, value < bound) for name, (value, bound) in figures.items()}
        if not judged["daily_loss_usdt"][2]:
            self.lost_day = self.day
        state, why = self._state(judged, now)
        return Verdict(state, why, judged)

    def drawdown_bps(self, equity_usdt: float) -> float:
        """From the highest equity seen."""
        return (1 - equity_usdt / self.peak) * 1e4 if self.peak > 0 else 0.0

    def day_pnl(self, equity_usdt: float) -> float:
        """Since the UTC day began."""
        return equity_usdt - self.day_equity

    def _state(self, judged: dict[str, tuple[float, float, bool]], now: Moment) -> tuple[State, str]:
        broken = [name for name, (_, _, holds) in judged.items() if not holds]
        unknown = [name for name in broken if not math.isfinite(judged[name][0])]
        if "refusals_in_a_row" in broken or "drawdown_bps" in broken:
            return "halted", _told(judged, broken)
        if now.anomaly and now.anomaly_state == "halted":
            return "halted", now.anomaly
        if self.lost_day == self.day:
            return (
                "flat",
                f"the loss of the day reached {self.limits.daily_loss_usdt:g} USDT; out until the next UTC day",
            )
        if "stale_s" in broken or unknown:
            return "flat", _told(judged, broken)
        if now.anomaly and now.anomaly_state == "flat":
            return "flat", now.anomaly
        if broken:
            return "reduced", _told(judged, broken)
        if now.anomaly:
            return "reduced", now.anomaly
        return "running", ""

    def _remember(self, now: Moment) -> None:
        if now.t_ms // DAY_MS != self.day and math.isfinite(now.equity_usdt):
            self.day, self.day_equity = now.t_ms // DAY_MS, now.equity_usdt
        if math.isfinite(now.equity_usdt):
            self.peak = max(self.peak, now.equity_usdt)

    def _rate(self, t_ms: int) -> int:
        while self._orders and self._orders[0] <= t_ms - 60_000:
            self._orders.popleft()
        return len(self._orders)


def worst(*states: State) -> State:
    """The strictest of several."""
    return max(states, key=ORDER.index)


def _told(judged: dict[str, tuple[float, float, bool]], broken: list[str]) -> str:
    return "; ".join(f"{name} {judged[name][0]:.4g}, bound {judged[name][1]:g}" for name in broken)
