"""One account walks a tape: targets in, fills, equity and refusals out. Knows no features or policies.

A target is decided at the end of bar t and meets the touch at `fill_index[t]`. It is sized on the touch of
row t, judged again on arrival, and asked again at the next bar when it was refused. What is still open at the
last row is closed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from decot.errors import ConfigError, MarketFault
from decot.market.orders import NO_PRICE, OK, REASONS, TOO_SMALL, match, size_lots, validate_order
from decot.market.rules import KIND, LIQUIDATION, LOT, MAINTENANCE, SPOT, TAKER, VenueRules
from decot.market.tape import Tape

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How much there is and how an entry is sized."""

    capital_usdt: float = 19.0
    leverage: float = 1.0
    """notional of an entry as a multiple of the capital; the venue's maximum still holds"""
    stop_bps: float = 1_000.0
    """the adverse move after which an entry must still be large enough to be sold"""
    buffer_bps: float = 50.0
    """kept back for the move between decision and arrival"""
    is_compounding: bool = False
    """size on current equity instead of the capital at the start"""
    is_depth_limited: bool = False
    """fill no more than the quantity shown at the touch, cancel the rest"""

    def __post_init__(self) -> None:
        faults = [
            f"account: {name} {getattr(self, name)} must be {law}"
            for name, law, bad in (
                ("capital_usdt", "above 0", not self.capital_usdt > 0),
                ("leverage", "above 0", not self.leverage > 0),
                ("stop_bps", "0 or more", not self.stop_bps >= 0),
                ("buffer_bps", "0 or more", not self.buffer_bps >= 0),
            )
            if bad
        ]
        if faults:
            raise ConfigError(faults)

    def vector(self) -> np.ndarray:
        """(6,) float64 for the kernels."""
        return np.array(
            [
                self.capital_usdt,
                self.leverage,
                self.stop_bps * 1e-4,
                self.buffer_bps * 1e-4,
                self.is_compounding,
                self.is_depth_limited,
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


def simulate(tape: Tape, targets: np.ndarray, rules: VenueRules, account: Account | None = None) -> Run:
    """Walk the tape with one target per row.

    Args:
        targets: (T,) −1, 0 or 1, decided at the end of each row.
    Raises:
        MarketFault: targets of the wrong length or outside −1…1; more leverage than the venue gives.
    """
    account = account or Account()
    wanted = np.ascontiguousarray(targets, np.int8)
    if wanted.shape != (len(tape),):
        raise MarketFault(f"{len(tape)} rows need {len(tape)} targets, got shape {wanted.shape}")
    if ((wanted < -1) | (wanted > 1)).any():
        raise MarketFault(f"target {int(wanted[np.abs(wanted) > 1][0])} is none of −1, 0, 1")
    if account.leverage > rules.leverage_max:
        raise MarketFault(
            f"{rules.name} gives {rules.leverage_max}x leverage, not {account.leverage}x; lower it"
        )
    equity, lots, entry, fills, n_fills, trades, n_trades, refused, ruined = _walk(
        tape.bid,
        tape.ask,
        tape.bid_qty,
        tape.ask_qty,
        tape.fill_index,
        wanted,
        rules.vector(),
        account.vector(),
    )
    return Run(
        capital_usdt=account.capital_usdt,
        equity_usdt=equity,
        position=np.sign(lots).astype(np.int8),
        lots=lots,
        entry_price=entry,
        fills=_fills(fills[:n_fills], tape),
        trades=_trades(trades[:n_trades], tape),
        refused={REASONS[i]: int(n) for i, n in enumerate(refused) if n},
        ruined_row=int(ruined),
    )


def _fills(raw: np.ndarray, tape: Tape) -> np.ndarray:
    out = np.zeros(len(raw), FILL)
    for name, column in zip(("decided", "row", "side", "qty", "price", "fee_usdt"), raw.T):
        out[name] = column
    out["timestamp"], out["mid"] = tape.timestamp[out["row"]], tape.mid[out["row"]]
    return out


def _trades(raw: np.ndarray, tape: Tape) -> np.ndarray:
    out = np.zeros(len(raw), TRADE)
    names = ("decided", "entry_row", "exit_row", "direction", "qty", "entry_price", "exit_price", "fees_usdt")
    for name, column in zip(names, raw.T):
        out[name] = column
    out["entry_ms"], out["exit_ms"] = tape.timestamp[out["entry_row"]], tape.timestamp[out["exit_row"]]
    gross = out["direction"] * out["qty"] * (out["exit_price"] - out["entry_price"])
    out["pnl_usdt"] = gross - out["fees_usdt"]
    out["pnl_bps"] = out["pnl_usdt"] / (out["qty"] * out["entry_price"]) * 1e4
    return out


@njit(cache=True)
def _note(out: np.ndarray, decided: int, row: int, side: int, qty: float, price: float, fee: float) -> None:
    out[0], out[1], out[2], out[3], out[4], out[5] = decided, row, side, qty, price, fee


@njit(cache=True)
def _close(
    out: np.ndarray,
    decided: int,
    entry_row: int,
    exit_row: int,
    direction: int,
    qty: float,
    entry: float,
    leave: float,
    fees: float,
) -> None:
    out[0], out[1], out[2], out[3] = decided, entry_row, exit_row, direction
    out[4], out[5], out[6], out[7] = qty, entry, leave, fees


@njit(cache=True)
def _walk(
    bid: np.ndarray,
    ask: np.ndarray,
    bid_qty: np.ndarray,
    ask_qty: np.ndarray,
    fill_index: np.ndarray,
    targets: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, np.ndarray, int, np.ndarray, int]:
    n_rows = len(bid)
    capital, leverage, stop, buffer, compounding, limited = account
    lot = rules[LOT]
    equity, entry, held = np.empty(n_rows), np.zeros(n_rows), np.zeros(n_rows, np.int64)
    fills, trades = np.empty((2 * n_rows + 2, 6)), np.empty((n_rows + 2, 8))
    refused = np.zeros(len(REASONS), np.int64)
    n_fills, n_trades, ruined, cursor = 0, 0, -1, 0
    cash, lots = capital, 0
    # The open position: decided, row, lots entered, their cost, fees of both sides, lots left, proceeds.
    o_decided, o_row, o_lots, o_cost, o_fees, o_out, o_proceeds = 0, 0, 0, 0.0, 0.0, 0, 0.0

    for t in range(n_rows + 1):
        # The row after the last decision is the end: mark what is left, then close.
        u = fill_index[t] if t < n_rows else n_rows - 1
        if u < 0:
            continue
        while cursor < u:
            mid = (bid[cursor] + ask[cursor]) / 2
            worth = cash + lots * lot * mid
            if lots != 0 and rules[KIND] != SPOT and worth < rules[MAINTENANCE] * abs(lots) * lot * mid:
                side = -1 if lots > 0 else 1
                n = abs(lots)
                price = ask[cursor] if side > 0 else bid[cursor]
                left = max(cash - side * n * lot * price, 0.0)  # the fee takes what is left, no more
                fee = min(n * lot * price * (rules[TAKER] + rules[LIQUIDATION]), left)
                cash -= side * n * lot * price + fee
                _note(fills[n_fills], cursor, cursor, side, n * lot, price, fee)
                n_fills += 1
                _close(
                    trades[n_trades],
                    o_decided,
                    o_row,
                    cursor,
                    -side,
                    o_lots * lot,
                    o_cost / (o_lots * lot),
                    (o_proceeds + n * lot * price) / (o_lots * lot),
                    o_fees + fee,
                )
                n_trades += 1
                lots, ruined = 0, cursor
                worth = cash
            equity[cursor] = worth
            held[cursor] = lots
            entry[cursor] = o_cost / (o_lots * lot) if lots != 0 else 0.0
            cursor += 1
        if ruined >= 0 and t < n_rows:
            continue
        target = targets[t] if t < n_rows else 0
        sign = 1 if lots > 0 else (-1 if lots < 0 else 0)
        if target == sign:
            continue

        if lots != 0:
            side = -sign
            code = validate_order(side, abs(lots), NO_PRICE, True, False, lots, cash, bid[u], ask[u], rules)
            if code != OK:
                refused[code] += 1
                continue
            n, price, fee = match(side, abs(lots), bid[u], ask[u], bid_qty[u], ask_qty[u], limited > 0, rules)
            if n > 0:
                cash -= side * n * lot * price + fee
                lots += side * n
                o_out += n
                o_proceeds += n * lot * price
                o_fees += fee
                _note(fills[n_fills], min(t, n_rows - 1), u, side, n * lot, price, fee)
                n_fills += 1
            if lots != 0:
                continue
            _close(
                trades[n_trades],
                o_decided,
                o_row,
                u,
                sign,
                o_lots * lot,
                o_cost / (o_lots * lot),
                o_proceeds / (o_lots * lot),
                o_fees,
            )
            n_trades += 1
        if target == 0:
            continue

        side = target
        seen = ask[t] if side > 0 else bid[t]
        worth = cash
        base = worth if compounding > 0 else capital
        want = size_lots(leverage * base, seen, worth, rules, stop, buffer)
        if want == 0:
            refused[TOO_SMALL] += 1
            continue
        code = validate_order(side, want, NO_PRICE, False, False, lots, cash, bid[u], ask[u], rules)
        if code != OK:
            refused[code] += 1
            continue
        n, price, fee = match(side, want, bid[u], ask[u], bid_qty[u], ask_qty[u], limited > 0, rules)
        if n == 0:
            continue
        cash -= side * n * lot * price + fee
        lots = side * n
        o_decided, o_row, o_lots, o_cost, o_fees, o_out, o_proceeds = t, u, n, n * lot * price, fee, 0, 0.0
        _note(fills[n_fills], t, u, side, n * lot, price, fee)
        n_fills += 1

    last = n_rows - 1
    equity[last] = cash + lots * lot * (bid[last] + ask[last]) / 2
    held[last] = lots
    entry[last] = o_cost / (o_lots * lot) if lots != 0 else 0.0
    return equity, held, entry, fills, n_fills, trades, n_trades, refused, ruined
