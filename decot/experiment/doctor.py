"""What a small account can do at all: `market` answers, for every venue it has rules of."""

from __future__ import annotations

from typing import Any


def feasible_venues(*, price: float, capital_usdt: float, stop_bps: float) -> list[dict[str, Any]]:
    """One row per venue and BTC market: whether such an account can trade, and why not."""
    from dataclasses import asdict

    from decot.market.doctor import feasibility
    from decot.market.rules import all_rules

    rows = []
    for rules in all_rules():
        if not rules.symbol.startswith("BTC"):
            continue
        found = feasibility(rules, price, capital_usdt, stop_bps)
        rows.append({"venue": rules.venue, "symbol": rules.symbol, **asdict(found)})
    return rows
