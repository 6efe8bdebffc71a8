"""What a small account can do at all: `market` answers, for every venue it has rules of."""

from __future__ import annotations

from typing import Any


def feasible_venues(*, price: float, capital_usdt: float, stop_bps: float) -> list[dict[str, Any]]:
    """One row per venue and BTC market: whether such an account can trade, with its numbers, and why not."""
    from decot.market.doctor import feasibility
    from decot.market.rules import all_rules

    markets = [rules for rules in all_rules() if rules.symbol.startswith("BTC")]
    return [feasibility(rules, price, capital_usdt, stop_bps).as_row() for rules in markets]


def diagnosis(row: dict[str, Any]) -> str:
    """One row as a line of text."""
    answer = "yes" if row["is_feasible"] else "no"
    told = row["why_not"] or (
        f"{row['n_slots']} slot(s), entries {row['smallest_entry_usdt']:.2f} to {row['largest_entry_usdt']:.2f} USDT, "
        f"round trip {row['round_trip_bps']:g} bps in fees"
    )
    return f"{answer:<4}{row['venue']:<18}{row['symbol']:<10}{row['kind']:<6}{told}"
