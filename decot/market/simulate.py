"""One account walks a tape: targets in, fills, equity and refusals out. Knows no features or policies.

A target is decided at the end of bar t and meets the touch at `fill_index[t]`. It is sized on the touch of
row t, judged again on arrival, and asked again at the next bar when it was refused. What is still open at the
last row is closed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from decot.errors import MarketFault
from decot.market.account import (
    CASH,
    DUST,
    FILL_WIDTH,
    FUNDED,
    N_FILLS,
    N_STATE,
    N_TRADES,
    RUINED,
    TRADE_WIDTH,
    Account,
)
from decot.market.orders import REASONS
from decot.market.rules import VenueRules
from decot.market.tape import Tape
from decot.market.walk import walk_one

__all__ = ["FILL", "TRADE", "Account", "Run", "check_fit", "checked_targets", "simulate"]

FILL = np.dtype(
    [
        ("decided", "i8"),
        ("row", "i8"),
        ("timestamp", "i8"),
        ("side", "i1"),
        ("qty", "f8"),
        ("price", "f8"),
        ("mid", "f8"),
        ("fee_usdt", "f8"),
        ("is_maker", "?"),
    ]
)
TRADE = np.dtype(
    [
        ("decided", "i8"),
        ("entry_row", "i8"),
        ("exit_row", "i8"),
        ("entry_ms", "i8"),
        ("exit_ms", "i8"),
        ("direction", "i1"),
        ("qty", "f8"),
        ("entry_price", "f8"),
        ("exit_price", "f8"),
        ("fees_usdt", "f8"),
        ("pnl_usdt", "f8"),
        ("pnl_bps", "f8"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What became of an account; rows are the tape's, money is quote currency."""

    capital_usdt: float
    equity_usdt: np.ndarray
    """(T,) cash + inventory at mid, after the fills of the row"""
    position: np.ndarray
    """(T,) int8 sign of what is held after the row"""
    lots: np.ndarray
    """(T,) int64 signed lots"""
    entry_price: np.ndarray
    """(T,) of the open position, 0 when flat"""
    fills: np.ndarray
    """structured FILL, in order"""
    trades: np.ndarray
    """structured TRADE, one per closed position"""
    refused: dict[str, int] = field(default_factory=dict)
    """orders that did not leave or were not taken, by reason"""
    ruined_row: int = -1
    """row of a liquidation, −1 when none"""
    funding_usdt: float = 0.0
    """funding paid on the way, negative when received"""
    dust_qty: float = 0.0
    """base currency too little to be a lot, marked at mid in the equity"""
    cash_usdt: float = 0.0
    """quote currency at the end"""

    @property
    def net_bps(self) -> np.ndarray:
        """(T,) profit of each row in basis points of the capital at the start."""
        return np.diff(self.equity_usdt, prepend=self.capital_usdt) / self.capital_usdt * 1e4

    @property
    def pnl_usdt(self) -> float:
        return float(self.equity_usdt[-1] - self.capital_usdt)

    @property
    def total_bps(self) -> float:
        """Profit of the whole run in basis points of the capital."""
        return self.pnl_usdt / self.capital_usdt * 1e4

    @property
    def n_trades(self) -> int:
        return len(self.trades)

    @property
    def fees_usdt(self) -> float:
        return float(self.fills["fee_usdt"].sum())

    @property
    def turnover_usdt(self) -> float:
        return float((self.fills["qty"] * self.fills["price"]).sum())

    @property
    def drawdown_usdt(self) -> np.ndarray:
        """(T,) how far equity is below its highest so far, ≤ 0."""
        return self.equity_usdt - np.maximum.accumulate(np.maximum(self.equity_usdt, self.capital_usdt))

    def system_columns(self, tape: Tape) -> dict[str, np.ndarray]:
        """The seven system columns of the base table; `exit_signal` marks rows that closed a position."""
        pnl = np.diff(self.equity_usdt, prepend=self.capital_usdt)
        exits = np.zeros(len(pnl), np.int8)
        exits[self.trades["exit_row"]] = 1
        return {
            "position": self.position,
            "pnl": pnl,
            "cumulative_pnl": self.equity_usdt - self.capital_usdt,
            "drawdown": self.drawdown_usdt,
            "entry_price": self.entry_price,
            "exit_signal": exits,
            "execution_latency": tape.latency_ms.astype(np.float64),
        }


def simulate(
    tape: Tape,
    targets: np.ndarray,
    rules: VenueRules,
    account: Account | None = None,
    *,
    is_continuous: bool = False,
) -> Run:
    """Walk the tape with one target per row.

    Args:
        targets: (T,) −1, 0 or 1, decided at the end of each row; with `is_continuous` anything in −1…1, quantised
            to lots on the way in.
    Raises:
        MarketFault: targets of the wrong length or outside their range; more leverage than the venue gives.
    """
    account = account or Account()
    wanted = checked_targets(targets, (len(tape),), is_continuous)
    check_fit(rules, account, is_continuous)
    fills, trades = np.empty((3 * len(tape) + 4, FILL_WIDTH)), np.empty((3 * len(tape) + 4, TRADE_WIDTH))
    state, refused = np.zeros(N_STATE), np.zeros(len(REASONS), np.int64)
    equity, lots, entry = walk_one(
        tape.book(),
        tape.offsets,
        tape.prints,
        tape.fill_index,
        wanted,
        rules.vector(),
        account.vector(not is_continuous),
        fills,
        trades,
        state,
        refused,
    )
    return Run(
        capital_usdt=account.capital_usdt,
        equity_usdt=equity,
        position=np.sign(lots).astype(np.int8),
        lots=lots,
        entry_price=entry,
        fills=_fills(fills[: int(state[N_FILLS])], tape),
        trades=_trades(trades[: int(state[N_TRADES])], tape),
        refused={REASONS[i]: int(n) for i, n in enumerate(refused) if n},
        ruined_row=int(state[RUINED]),
        funding_usdt=float(state[FUNDED]),
        dust_qty=float(state[DUST]),
        cash_usdt=float(state[CASH]),
    )


def checked_targets(targets: np.ndarray, shape: tuple[int, ...], is_continuous: bool) -> np.ndarray:
    """Targets as the kernels read them: int8, or float64 when continuous.

    Raises:
        MarketFault: another shape, or a value that is no target.
    """
    given = np.asarray(targets)
    if given.shape != shape:
        raise MarketFault(f"{shape[-1]} rows need targets of shape {shape}, got {given.shape}")
    bad = ~(np.abs(given) <= 1) if is_continuous else (given < -1) | (given > 1)
    if not is_continuous and given.dtype.kind != "i":
        bad |= given != np.round(given)
    if bad.any():
        raise MarketFault(f"target {given[bad][0]} is none of {'−1…1' if is_continuous else '−1, 0, 1'}")
    return np.ascontiguousarray(given, np.float64 if is_continuous else np.int8)


def check_fit(rules: VenueRules, account: Account, is_continuous: bool) -> None:
    """Raises MarketFault when this account cannot be run on this venue at all."""
    if account.leverage > rules.leverage_max:
        raise MarketFault(
            f"{rules.name} gives {rules.leverage_max}x leverage, not {account.leverage}x; lower it"
        )
    if is_continuous and account.execution == "post_only":
        raise MarketFault("post-only execution takes targets −1, 0, 1; quantise them or take liquidity")


def _fills(raw: np.ndarray, tape: Tape) -> np.ndarray:
    out = np.zeros(len(raw), FILL)
    for name, column in zip(("decided", "row", "side", "qty", "price", "fee_usdt", "is_maker"), raw.T):
        out[name] = column
    out["timestamp"], out["mid"] = tape.timestamp[out["row"]], tape.mid[out["row"]]
    return out


def _trades(raw: np.ndarray, tape: Tape) -> np.ndarray:
    out = np.zeros(len(raw), TRADE)
    names = (
        "decided",
        "entry_row",
        "exit_row",
        "direction",
        "qty",
        "entry_price",
        "exit_price",
        "fees_usdt",
        "pnl_usdt",
    )
    for name, column in zip(names, raw.T):
        out[name] = column
    out["entry_ms"], out["exit_ms"] = tape.timestamp[out["entry_row"]], tape.timestamp[out["exit_row"]]
    out["pnl_bps"] = out["pnl_usdt"] / (out["qty"] * out["entry_price"]) * 1e4
    return out
