"""Whether a small account can trade a symbol at all, and why not. Knows rules and a price; knows no account at a venue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from decot.market.orders import entry_floor_usdt
from decot.market.rules import VenueRules, all_rules

BUFFER = 0.005
"""share kept back for the move between decision and arrival, as in `Account`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """What an account of this size can do with a symbol at this price."""

    venue: str
    symbol: str
    kind: str
    price: float
    capital_usdt: float
    is_feasible: bool
    lot_usdt: float
    """value of one quantity step"""
    smallest_entry_usdt: float
    """least that can be bought and still be left after a stop"""
    largest_entry_usdt: float
    """most that this capital and leverage hold, in whole lots; 0 when none"""
    n_lots: int
    """whole lots in the largest entry: the finest sizing there is"""
    n_slots: int
    """positions of the smallest size that fit at the same time"""
    leverage_needed: float
    """of the whole account, for the smallest entry"""
    round_trip_bps: float
    """taker fees in and out; the spread comes on top"""
    why_not: tuple[str, ...]
    """what stands in the way, each with its number; empty when feasible"""

    def as_row(self) -> dict[str, object]:
        """One row of a table, reasons joined."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return row | {"why_not": "; ".join(self.why_not)}


def feasibility(
    rules: VenueRules,
    price: float,
    capital_usdt: float = 19.0,
    stop_bps: float = 1_000.0,
    leverage_limit: float = 1.0,
) -> Feasibility:
    """Can this capital open a position here and leave it again?

    The smallest entry is min notional × (1 + stop + fees + buffer) where exits must meet the minimum, in whole lots and
    above the minimum quantity. `leverage_limit` is what the owner allows; the venue's own maximum holds too.
    """
    vector = rules.vector()
    lot_usdt = rules.lot * rules.contract * price
    floor = max(
        float(entry_floor_usdt(vector, stop_bps * 1e-4, BUFFER)),
        rules.min_qty * rules.contract * price,
        lot_usdt,
    )
    smallest = math.ceil(round(floor / lot_usdt, 9)) * lot_usdt
    leverage = min(leverage_limit, rules.leverage_max)
    fee = rules.taker_bps * 1e-4
    spendable = capital_usdt / (1 + fee + BUFFER) if rules.kind == "spot" else capital_usdt
    room = min(
        leverage * spendable, rules.leverage_max * capital_usdt / (1 + rules.leverage_max * fee + BUFFER)
    )
    n_lots = math.floor(room / lot_usdt + 1e-9)
    largest = n_lots * lot_usdt
    needed = smallest / spendable
    why = []
    if smallest > room:
        cause = (
            f"one lot is {lot_usdt:.2f} USDT"
            if lot_usdt >= floor * (1 - 1e-9)
            else f"the minimum notional {rules.min_notional_usdt:g} USDT needs an entry of {smallest:.2f}"
        )
        why.append(
            f"{cause}, {room:.2f} fit at {leverage:g}x; it takes {needed:.2f}x or {smallest / leverage:.2f} USDT"
        )
    if needed > rules.leverage_max:
        why.append(f"{needed:.2f}x is above the venue's {rules.leverage_max:g}x")
    is_feasible = not why
    return Feasibility(
        venue=rules.venue,
        symbol=rules.symbol,
        kind=rules.kind,
        price=price,
        capital_usdt=capital_usdt,
        is_feasible=is_feasible,
        lot_usdt=lot_usdt,
        smallest_entry_usdt=smallest,
        largest_entry_usdt=largest if is_feasible else 0.0,
        n_lots=n_lots if is_feasible else 0,
        n_slots=math.floor(room / smallest + 1e-9),
        leverage_needed=needed,
        round_trip_bps=2 * rules.taker_bps,
        why_not=tuple(why),
    )


def survey(
    prices: Mapping[str, float],
    capital_usdt: float = 19.0,
    stop_bps: float = 1_000.0,
    leverage_limit: float = 1.0,
    rules: Iterable[VenueRules] | None = None,
) -> list[Feasibility]:
    """Every snapshot (or the rules given) whose base currency has a price, feasible ones first.

    Args:
        prices: by symbol (`BTC-USDT`) or by base currency (`BTC`).
    """
    found = []
    for each in rules if rules is not None else all_rules():
        price = prices.get(each.symbol, prices.get(each.symbol.split("-")[0]))
        if price is not None:
            found.append(feasibility(each, price, capital_usdt, stop_bps, leverage_limit))
    return sorted(found, key=lambda f: (not f.is_feasible, f.round_trip_bps, f.venue, f.symbol))
