"""Rules as a venue tells them now: exchangeInfo of Binance and its look-alikes, and ccxt's unified market. No network.

Fees are taken in this order: the account's own endpoint → our snapshot → the library's default, which comes with a warning,
because a default is not your tier (ccxt#23610) and has been swapped before (ccxt#17239).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from decot.errors import ConfigError
from decot.market.rules import SNAPSHOTS, VenueRules, load_rules


class Fees(NamedTuple):
    """What an order costs, and who says so."""

    maker_bps: float
    taker_bps: float
    source: str


def best_fees(
    venue: str,
    symbol: str,
    account: tuple[float, float] | None = None,
    default: tuple[float, float] | None = None,
) -> Fees:
    """Maker and taker bps from the best source there is.

    Args:
        account: (maker_bps, taker_bps) as the account's fee endpoint told them.
        default: (maker_bps, taker_bps) of a library; the last resort.
    Raises:
        ConfigError: no source at all.
    """
    if account is not None:
        return Fees(*account, "account endpoint")
    if (SNAPSHOTS / f"{venue}.json").is_file():
        rules = load_rules(venue, symbol)
        return Fees(rules.maker_bps, rules.taker_bps, f"snapshot {rules.version}")
    if default is None:
        raise ConfigError(
            [f"{venue}/{symbol}: no fee from the account, no snapshot, no default; give maker and taker bps"]
        )
    warnings.warn(
        f"{venue}/{symbol}: fees {default[0]:g}/{default[1]:g} bps are a library's default, not your tier; "
        "ask the account endpoint or add a snapshot",
        stacklevel=2,
    )
    return Fees(*default, "library default")


def from_exchange_info(
    entry: Mapping[str, Any], *, venue: str, kind: str, fees: Fees, version: str, leverage_max: float = 1.0
) -> VenueRules:
    """One symbol of an exchangeInfo answer as rules.

    LOT_SIZE and MARKET_LOT_SIZE: the coarser step and the larger minimum hold for both, so a market order passes too.

    Raises:
        ConfigError: a filter is missing; all of them are named.
    """
    filters = {f["filterType"]: f for f in entry.get("filters", ())}
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    least = notional.get("minNotional", notional.get("notional"))
    faults = [
        f"{entry.get('symbol')}: no {name} filter"
        for name in ("PRICE_FILTER", "LOT_SIZE")
        if name not in filters
    ]
    if least is None:
        faults.append(f"{entry.get('symbol')}: no minimum notional filter")
    if faults:
        raise ConfigError(faults)
    lots = [filters[name] for name in ("LOT_SIZE", "MARKET_LOT_SIZE") if name in filters]
    return VenueRules(
        venue=venue,
        symbol=f"{entry['baseAsset']}-{entry['quoteAsset']}",
        kind=kind,
        maker_bps=fees.maker_bps,
        taker_bps=fees.taker_bps,
        tick=float(filters["PRICE_FILTER"]["tickSize"]),
        lot=max(float(f["stepSize"]) for f in lots),
        min_qty=max(float(f["minQty"]) for f in lots),
        min_notional_usdt=float(least or 0),
        leverage_max=leverage_max,
        version=version,
        source=f"exchangeInfo; fees: {fees.source}",
        is_exit_exempt=kind == "perp",
    )


def from_market(
    market: Mapping[str, Any], *, venue: str, version: str, account_fees: Fees | None = None
) -> VenueRules:
    """One entry of ccxt's `load_markets()` as rules; precision in tick size mode, as every exchange has it since ccxt 4.

    Raises:
        ConfigError: steps, minimum or contract are not told, or the contract is inverse.
    """
    name = f"{market['base']}-{market['quote']}"
    limits, precision = market.get("limits") or {}, market.get("precision") or {}
    is_perp = bool(market.get("swap"))
    faults = [
        f"{venue}/{name}: precision.{k} is not told" for k in ("price", "amount") if not precision.get(k)
    ]
    if market.get("inverse"):
        faults.append(f"{venue}/{name}: an inverse contract is settled in {market['base']}; use a linear one")
    if faults:
        raise ConfigError(faults)
    told = (market.get("maker"), market.get("taker"))
    default = None if None in told else (float(told[0] or 0) * 1e4, float(told[1] or 0) * 1e4)
    fees = account_fees or best_fees(venue, name, default=default)
    least = _limit(limits, "cost")
    return VenueRules(
        venue=venue,
        symbol=name,
        kind="perp" if is_perp else "spot",
        maker_bps=fees.maker_bps,
        taker_bps=fees.taker_bps,
        tick=float(precision["price"]),
        lot=float(precision["amount"]),
        min_qty=max(_limit(limits, "amount"), float(precision["amount"])),
        min_notional_usdt=least,
        contract=float(market.get("contractSize") or 1.0) if is_perp else 1.0,
        leverage_max=max(1.0, _limit(limits, "leverage", "max")) if is_perp else 1.0,
        version=version,
        source=f"ccxt load_markets; fees: {fees.source}",
        is_exit_exempt=is_perp,
    )


def _limit(limits: Mapping[str, Any], name: str, end: str = "min") -> float:
    return float((limits.get(name) or {}).get(end) or 0.0)
