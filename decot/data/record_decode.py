"""A WebSocket frame becomes a trade, a quote, a book change, or a refusal with a reason. Believes nothing unread.

Reads the Binance family (spot, USD-M, COIN-M and venues that copy them). Knows no sockets and no tables.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
FIRST_MS, LAST_MS = 1_230_768_000_000, 4_102_444_800_000
"""2009 to 2100: a time outside is no time"""
MAX_ID = 1 << 62
MAX_FRAME = 4_000_000


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade (or one aggregate) as the venue numbered it."""

    symbol: str
    """the venue's own name, e.g. BTCUSDT"""
    ts_us: int
    id: int
    price: float
    quantity: float
    side: int
    """+1 the buyer was the aggressor, −1 the seller"""


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask."""

    symbol: str
    ts_us: int | None
    """None where the venue sends no time (spot)"""
    update: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


@dataclass(frozen=True, slots=True)
class Change:
    """A depth diff covering updates `first` to `last`."""

    symbol: str
    ts_us: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Not market data: an acknowledgement or a stream we did not ask to keep."""

    kind: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame nobody should believe, and why."""

    reason: str


Event = Trade | Quote | Change | Notice | Refused


class _Bad(Exception):
    """Why a frame is refused; never leaves this file."""


def decode(line: str | bytes) -> Event:
    """What one frame says; anything malformed, mistyped or out of range is `Refused`, never an exception."""
    try:
        return _read(_parse(line))
    except _Bad as bad:
        return Refused(str(bad))


def _parse(line: str | bytes) -> Mapping[str, Any]:
    if len(line) > MAX_FRAME:
        raise _Bad(f"frame of {len(line):,} bytes, more than {MAX_FRAME:,}")
    try:
        text = line.decode() if isinstance(line, bytes) else line
        message = json.loads(text)
    except UnicodeDecodeError:
        raise _Bad("not UTF-8 text") from None
    except ValueError:
        raise _Bad("not JSON") from None
    except RecursionError:
        raise _Bad("JSON nested without end") from None
    if isinstance(message, dict) and "stream" in message:
        message = message.get("data")
    if not isinstance(message, dict):
        raise _Bad(f"a JSON object was expected, found {type(message).__name__}")
    return message


def _read(message: Mapping[str, Any]) -> Event:
    kind = message.get("e")
    if kind == "trade":
        return _trade(message, "t")
    if kind == "aggTrade":
        return _trade(message, "a")
    if kind == "depthUpdate":
        return _change(message)
    if kind == "bookTicker" or (kind is None and "u" in message and ("b" in message or "a" in message)):
        return _quote(message)
    if (
        kind is None
        and "id" in message
        and ("result" in message or "error" in message or "status" in message)
    ):
        return Notice("reply")
    if kind is None and "lastUpdateId" in message:
        return Notice("snapshot")
    if isinstance(kind, str) and kind in OTHER:
        return Notice(kind)
    raise _Bad(f"unknown event {kind!r:.40}")


OTHER = frozenset(
    [
        "kline",
        "24hrMiniTicker",
        "24hrTicker",
        "markPriceUpdate",
        "forceOrder",
        "avgPrice",
        "executionReport",
        "outboundAccountPosition",
        "balanceUpdate",
        "eventStreamTerminated",
    ]
)


def _trade(message: Mapping[str, Any], id_key: str) -> Trade:
    maker = message.get("m")
    if not isinstance(maker, bool):
        raise _Bad(f"m = {maker!r:.40} is not true or false")
    _time(message, "E")
    return Trade(
        symbol=_symbol(message),
        ts_us=_time(message, "T") * 1000,
        id=_whole(message, id_key),
        price=_positive(message.get("p"), "p"),
        quantity=_positive(message.get("q"), "q"),
        side=-1 if maker else 1,
    )


def _quote(message: Mapping[str, Any]) -> Quote:
    stamps = [_time(message, key) for key in ("E", "T") if key in message]
    quote = Quote(
        symbol=_symbol(message),
        ts_us=stamps[0] * 1000 if stamps else None,
        update=_whole(message, "u"),
        bid=_positive(message.get("b"), "b"),
        bid_qty=_number(message.get("B"), "B"),
        ask=_positive(message.get("a"), "a"),
        ask_qty=_number(message.get("A"), "A"),
    )
    if quote.bid > quote.ask:
        raise _Bad(f"bid {quote.bid} above ask {quote.ask}")
    return quote


def _change(message: Mapping[str, Any]) -> Change:
    first, last = _whole(message, "U"), _whole(message, "u")
    if first > last:
        raise _Bad(f"U = {first} above u = {last}")
    for key in ("b", "a"):
        levels = message.get(key)
        if not isinstance(levels, list):
            raise _Bad(f"{key} is no list of levels")
        for level in levels:
            if not isinstance(level, list) or len(level) < 2:
                raise _Bad(f"{key} holds {level!r:.40}, not [price, quantity]")
            _positive(level[0], key)
            _number(level[1], key)
    return Change(_symbol(message), _time(message, "E") * 1000, first, last)


def _symbol(message: Mapping[str, Any]) -> str:
    name = message.get("s")
    if not isinstance(name, str) or not 2 <= len(name) <= 40 or not name.isascii():
        raise _Bad(f"s = {name!r:.40} is no symbol")
    return name


def _whole(message: Mapping[str, Any], key: str) -> int:
    value = message.get(key)
    if type(value) is not int or not 0 <= value < MAX_ID:
        raise _Bad(f"{key} = {value!r:.40} is no id")
    return value


def _time(message: Mapping[str, Any], key: str) -> int:
    value = message.get(key)
    if type(value) is not int or not FIRST_MS <= value <= LAST_MS:
        raise _Bad(f"{key} = {value!r:.40} is no time in ms")
    return value


def _number(value: object, key: str) -> float:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise _Bad(f"{key} = {value!r:.40} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise _Bad(f"{key} = {value!r:.40} is not finite")
    return number


def _positive(value: object, key: str) -> float:
    number = _number(value, key)
    if number <= 0:
        raise _Bad(f"{key} = {value!r:.40} is not above 0")
    return number
