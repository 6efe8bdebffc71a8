"""What a venue accepts and charges, as its own plain facts. Knows no simulator: the venue judges for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from decot.errors import ConfigError

QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "EUR", "BTC", "ETH", "BNB")


def split_symbol(symbol: str) -> tuple[str, str]:
    """Base and quote of `BTC/USDT`, `BTC-USD`, `BTC/USDT:USDT` or `BTCUSDT`, upper case.

    Raises:
        ConfigError: when no known quote currency ends the name.
    """
    plain = symbol.upper().split(":")[0].replace("_", "-").replace("-PERP", "")
    for separator in ("/", "-"):
        if separator in plain:
            base, quote = plain.split(separator)[:2]
            return base, quote
    for quote in QUOTES:
        if plain.endswith(quote) and len(plain) > len(quote):
            return plain[: -len(quote)], quote
    raise ConfigError([f"symbol {symbol!r}: no quote currency found; write it as BASE/QUOTE, e.g. BTC/USDT"])


def wire_symbol(symbol: str) -> str:
    """The name on the wire: `BTC/USDT` → `BTCUSDT`."""
    return "".join(split_symbol(symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Filters and fees of one symbol at the loopback venue."""

    tick: Decimal = Decimal("0.01")
    """price step, quote currency"""
    lot: Decimal = Decimal("0.00001")
    """quantity step, base currency"""
    min_qty: Decimal = Decimal("0.00001")
    max_qty: Decimal = Decimal("9000")
    min_notional: Decimal = Decimal("5")
    """smallest order value, quote currency"""
    maker_bps: Decimal = Decimal("10")
    taker_bps: Decimal = Decimal("10")

    @staticmethod
    def of(source: Rules | Mapping[str, Any] | object | None) -> Rules:
        """Rules from a mapping or any object with such attributes; what it lacks keeps the default.

        `min_notional_usdt` is read as `min_notional`.
        Raises:
            ConfigError: with every value that is not a number in its range.
        """
        if source is None or isinstance(source, Rules):
            return source or Rules()
        names: dict[str, tuple[str, ...]] = {field.name: (field.name,) for field in fields(Rules)}
        names["min_notional"] = ("min_notional", "min_notional_usdt")
        found: dict[str, Decimal] = {}
        faults = []
        for name, aliases in names.items():
            for alias in aliases:
                value = source.get(alias) if isinstance(source, Mapping) else getattr(source, alias, None)
                if value is None:
                    continue
                number = Decimal(str(value)) if _is_number(value) else None
                if number is None or (number <= 0 and name in ("tick", "lot", "max_qty")):
                    faults.append(f"{alias} = {value!r} must be a number above 0")
                else:
                    found[name] = number
        if faults:
            raise ConfigError(faults)
        return Rules(**found)


def _is_number(value: object) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except ArithmeticError:
        return False
