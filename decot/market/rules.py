"""What a venue allows and charges, as a versioned snapshot. Knows no account, no strategy and no network.

Fees are ordered: the account's own endpoint (`with_fees`) → the snapshot here → a library default, with a
warning by whoever falls back to it. A snapshot says where it is from; where a venue answers, ask it again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from decot.errors import ConfigError

SNAPSHOTS = Path(__file__).parent / "snapshots"

SPOT, MARGIN, PERP = 0, 1, 2
KINDS = {"spot": SPOT, "margin": MARGIN, "perp": PERP}

# Places in the vector the kernels read.
(
    MAKER,
    TAKER,
    TICK,
    LOT,
    MIN_QTY,
    MIN_NOTIONAL,
    LEVERAGE,
    KIND,
    MAINTENANCE,
    LIQUIDATION,
    EXIT_EXEMPT,
    FEE_IN_BASE,
) = range(12)
N_RULES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRules:
    """The rules of one symbol on one venue."""

    venue: str
    symbol: str
    kind: str
    """`spot` can never be short; `margin` can, without funding; `perp` can, with funding"""
    maker_bps: float
    taker_bps: float
    tick: float
    """price step, quote currency"""
    lot: float
    """quantity step, base currency"""
    min_qty: float
    min_notional_usdt: float
    contract: float = 1.0
    """base currency per contract; 1 for everything that is quoted in base"""
    leverage_max: float = 1.0
    version: str
    source: str
    maintenance_bps: float = 0.0
    """equity below this share of the notional is liquidated"""
    liquidation_fee_bps: float = 0.0
    is_exit_exempt: bool = False
    """a reduce-only order may be below the minimum notional"""
    is_rebate: bool = False
    """the maker is paid by a listed programme, so maker_bps may be negative or above the taker's"""
    is_buy_fee_in_base: bool = False
    """the fee of a buy is taken from the quantity bought, and leaves dust"""

    def __post_init__(self) -> None:
        if faults := self.faults():
            raise ConfigError([f"{self.name}: {fault}" for fault in faults])

    @property
    def name(self) -> str:
        return f"{self.venue}/{self.symbol}"

    @property
    def can_short(self) -> bool:
        return self.kind != "spot"

    def faults(self) -> list[str]:
        """Everything about these rules that cannot be true."""
        found = []
        if self.kind not in KINDS:
            found.append(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if not self.is_rebate and self.maker_bps > self.taker_bps:
            found.append(
                f"maker {self.maker_bps} bps above taker {self.taker_bps} bps: swapped, or list the rebate"
            )
        if not self.is_rebate and self.maker_bps < 0:
            found.append(f"maker {self.maker_bps} bps is a rebate; set is_rebate")
        if not 0 <= self.taker_bps < 1_000:
            found.append(f"taker {self.taker_bps} bps is not a fee")
        for field in ("tick", "lot", "min_qty", "contract"):
            if not getattr(self, field) > 0:
                found.append(f"{field} {getattr(self, field)} must be above 0")
        if self.min_notional_usdt < 0:
            found.append(f"min_notional_usdt {self.min_notional_usdt} is negative")
        if self.leverage_max < 1 or (self.kind == "spot" and self.leverage_max != 1):
            found.append(f"leverage_max {self.leverage_max} does not fit {self.kind}")
        return found

    def with_fees(self, maker_bps: float, taker_bps: float, source: str) -> VenueRules:
        """The same rules with the fees of an account, as its endpoint told them."""
        return replace(self, maker_bps=maker_bps, taker_bps=taker_bps, source=f"{source}; else {self.source}")

    def stressed(self, fees: float = 1.0) -> VenueRules:
        """The same rules, every fee multiplied."""
        return replace(self, maker_bps=self.maker_bps * fees, taker_bps=self.taker_bps * fees)

    def vector(self) -> np.ndarray:
        """(N_RULES,) float64 for the kernels; fees and margins as fractions."""
        out = np.zeros(N_RULES)
        out[MAKER], out[TAKER] = self.maker_bps * 1e-4, self.taker_bps * 1e-4
        out[TICK], out[LOT], out[MIN_QTY] = self.tick, self.lot * self.contract, self.min_qty * self.contract
        out[MIN_NOTIONAL], out[LEVERAGE], out[KIND] = (
            self.min_notional_usdt,
            self.leverage_max,
            KINDS[self.kind],
        )
        out[MAINTENANCE], out[LIQUIDATION] = self.maintenance_bps * 1e-4, self.liquidation_fee_bps * 1e-4
        out[EXIT_EXEMPT], out[FEE_IN_BASE] = self.is_exit_exempt, self.is_buy_fee_in_base
        return out


@cache
def load_rules(venue: str, symbol: str) -> VenueRules:
    """The snapshot of one symbol.

    Raises:
        ConfigError: no such venue or symbol; the message lists those there are.
    """
    path = SNAPSHOTS / f"{venue}.json"
    if not path.is_file():
        raise ConfigError([f"no rules for venue {venue!r}; there are {', '.join(venues())}"])
    shared = json.loads(path.read_text())
    symbols = shared.pop("symbols")
    if symbol not in symbols:
        raise ConfigError([f"{venue} has no rules for {symbol!r}; there are {', '.join(symbols)}"])
    return VenueRules(symbol=symbol, **(shared | symbols[symbol]))


def venues() -> list[str]:
    """The venues a snapshot exists for."""
    return sorted(path.stem for path in SNAPSHOTS.glob("*.json"))


def all_rules() -> list[VenueRules]:
    """Every snapshot, by venue and symbol."""
    pairs = [(v, s) for v in venues() for s in json.loads((SNAPSHOTS / f"{v}.json").read_text())["symbols"]]
    return [load_rules(venue, symbol) for venue, symbol in pairs]
