"""What a venue lists now, and at what price: its markets as ccxt tells them. Knows nothing of accounts or rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from decot.data.record_client import Gate, open_client


@dataclass(frozen=True, slots=True)
class Listing:
    """One active market."""

    symbol: str
    """as ccxt writes it"""
    market: dict[str, Any]
    """ccxt's unified market structure"""
    price: float | None
    """last price or mid; None where the venue tells none"""


def listings(
    exchange: str,
    *,
    quotes: Sequence[str] = ("USDT",),
    client: dict[str, Any] | None = None,
    prepare: Callable[[Any], Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Listing]:
    """Every active spot and linear market of a venue in these quote currencies, by symbol.

    Args:
        client: settings for ccxt.
        prepare: changes the ccxt client before its first use.
    Raises:
        ConfigError: ccxt knows no such exchange.
        VenueUnavailable: it cannot be reached.
    """

    async def main() -> list[Listing]:
        made = open_client(exchange, client)
        venue = prepare(made) if prepare else made
        gate = Gate(venue, say=say)
        try:
            markets = await gate.patiently(
                venue.load_markets, f"asking {exchange} for its markets", attempts=6
            )
            tickers = {}
            if venue.has.get("fetchTickers"):
                tickers = await gate.patiently(
                    venue.fetch_tickers, f"asking {exchange} for its prices", attempts=6
                )
        finally:
            await venue.close()
        wanted = [
            market
            for market in markets.values()
            if market.get("quote") in quotes
            and market.get("active") is not False
            and (market.get("spot") or market.get("linear"))
        ]
        return sorted(
            (Listing(one["symbol"], one, _price(tickers.get(one["symbol"]))) for one in wanted),
            key=lambda listing: listing.symbol,
        )

    return asyncio.run(main())


def _price(ticker: dict[str, Any] | None) -> float | None:
    told = ticker or {}
    if told.get("last"):
        return float(told["last"])
    if told.get("bid") and told.get("ask"):
        return 0.5 * (float(told["bid"]) + float(told["ask"]))
    return None
