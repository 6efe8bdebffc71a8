"""What the venue answers to anybody: listings, depth, trades, candles, tickers. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from decot.data.exchange.feed import SECOND_US, Feed, position_at, text
from decot.data.exchange.matching import Desk
from decot.data.exchange.orders import Reject
from decot.data.exchange.replay import Replay
from decot.data.exchange.rules import Rules

INTERVALS = {
    **{f"{n}s": n for n in (1,)},
    **{f"{n}m": n * 60 for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * 3600 for n in (1, 2, 4, 6, 8, 12)},
    "1d": 86_400,
}
Params = Mapping[str, Any]


@dataclass
class PublicClerk:
    """Everything anybody can ask for."""

    feeds: dict[str, Feed]
    rules: dict[str, Rules]
    desk: Desk
    replay: Replay
    now_ms: Callable[[], int]
    """the venue's clock (wall time and skew)"""
    withdrawals: bool = False

    # ---- public --------------------------------------------------------------------------------------

    def exchange_info(self, params: Params) -> dict[str, Any]:
        return {
            "timezone": "UTC",
            "serverTime": self.now_ms(),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
            ],
            "exchangeFilters": [],
            "symbols": [self._listing(feed) for feed in self.feeds.values()],
        }

    def depth(self, params: Params) -> dict[str, Any]:
        feed, limit = self.feed(params), limited(params, 100, 5000)
        ladder = self.replay.ladder(feed)
        bids, asks = ([[text(p), text(q)] for p, q in side] for side in ladder.best(limit))
        return {"lastUpdateId": ladder.update, "bids": bids, "asks": asks}

    def trades(self, params: Params) -> list[dict[str, Any]]:
        feed, limit = self.feed(params), limited(params, 500, 1000)
        until = self.replay.traded[feed.wire]
        return [self._trade(feed, i) for i in range(max(0, until - limit), until)]

    def historical_trades(self, params: Params) -> list[dict[str, Any]]:
        if params.get("fromId") in (None, ""):
            return self.trades(params)
        feed, limit = self.feed(params), limited(params, 500, 1000)
        until, first = self.replay.traded[feed.wire], feed.trade_index(whole(params, "fromId"))
        return [self._trade(feed, i) for i in range(first, min(first + limit, until))]

    def agg_trades(self, params: Params) -> list[dict[str, Any]]:
        feed, limit = self.feed(params), limited(params, 500, 1000)
        until = self.replay.traded[feed.wire]
        count = feed.whole_aggregates(until)
        last = count
        if params.get("fromId") not in (None, ""):
            first = max(0, whole(params, "fromId") - 1)
        elif params.get("startTime") or params.get("endTime"):
            stamps = feed.trade_ts[feed.first_agg[:count]] if count else feed.trade_ts[:0]
            begin = self.replay.tape_us(whole(params, "startTime", 0)) if params.get("startTime") else 0
            first = position_at(stamps, begin - 1)
            if params.get("endTime"):
                end = self.replay.tape_us(whole(params, "endTime") + 1) - 1
                last = position_at(stamps, end)
                first = first if params.get("startTime") else max(0, last - limit)
        else:
            first = max(0, count - limit)
        stamp = self.replay.stamp_ms
        return [
            feed.agg_json(agg, until, stamp(int(feed.trade_ts[feed.first_agg[agg]])))
            for agg in range(first, min(first + limit, last))
        ]

    def klines(self, params: Params) -> list[list[Any]]:
        feed, limit = self.feed(params), limited(params, 500, 1000)
        step = INTERVALS.get(str(params.get("interval")))
        if step is None:
            raise Reject(-1120, "Invalid interval.")
        step_us, until = step * SECOND_US, self.replay.traded[feed.wire]
        now = self.replay.now_us
        end = self.replay.tape_us(whole(params, "endTime")) if params.get("endTime") else now
        begin = end - (limit - 1) * step_us
        if params.get("startTime"):
            begin = self.replay.tape_us(whole(params, "startTime"))
            begin += -begin % step_us
        return [
            self._candle(candle, step_us)
            for candle in feed.candles(step_us, until, begin, min(end, now), limit)
        ]

    def book_ticker(self, params: Params) -> dict[str, Any] | list[dict[str, Any]]:
        if not params.get("symbol"):
            return [self.book_ticker({"symbol": wire}) for wire in self.feeds]  # type: ignore[misc]
        feed = self.feed(params)
        bid, bid_qty, ask, ask_qty = feed.rows[self.replay.rows[feed.wire]][:4]
        names = ("bidPrice", "bidQty", "askPrice", "askQty")
        return {"symbol": feed.wire, **dict(zip(names, map(text, (bid, bid_qty, ask, ask_qty))))}

    def ticker_24h(self, params: Params) -> dict[str, Any] | list[dict[str, Any]]:
        """The day so far of one symbol, or of all."""
        return (
            self.ticker(params) if params.get("symbol") else [self.ticker({"symbol": w}) for w in self.feeds]
        )

    def ticker(self, params: Params) -> dict[str, Any]:
        """The day so far."""
        feed = self.feed(params)
        until, now = self.replay.traded[feed.wire], self.replay.market_ms()
        book = self.book_ticker({"symbol": feed.wire})
        day = feed.candles(86_400 * SECOND_US, until, 0, self.replay.now_us, 1000)
        mid = (feed.rows[0][0] + feed.rows[0][2]) / 2
        _, opened, high, low, close, volume, quote, count, _ = (
            day[-1] if day else (0, *[mid] * 4, 0.0, 0.0, 0, 0.0)
        )
        return {
            **(book if isinstance(book, dict) else {}),
            "priceChange": text(round(close - opened, 8)),
            "priceChangePercent": f"{(close / opened - 1) * 100:.3f}",
            "weightedAvgPrice": f"{quote / volume if volume else close:.8f}",
            "prevClosePrice": text(opened),
            "lastPrice": text(close),
            "lastQty": text(feed.quantity[until - 1]) if until else "0.00000000",
            "openPrice": text(opened),
            "highPrice": text(high),
            "lowPrice": text(low),
            "volume": f"{volume:.8f}",
            "quoteVolume": f"{quote:.8f}",
            "openTime": now - 86_400_000,
            "closeTime": now,
            "firstId": int(feed.trade_ids[0]) if until else -1,
            "lastId": int(feed.trade_ids[until - 1]) if until else -1,
            "count": int(count),
        }

    # ---- inside --------------------------------------------------------------------------------------

    def feed(self, params: Params) -> Feed:
        return self.feeds[self.desk.top(params).symbol]

    def _trade(self, feed: Feed, i: int) -> dict[str, Any]:
        return feed.trade_json(i, self.replay.stamp_ms(int(feed.trade_ts[i])))

    def _candle(self, candle: tuple[float, ...], step_us: int) -> list[Any]:
        opened, o, h, low, c, volume, quote, count, taker = candle
        begin = self.replay.stamp_ms(int(opened))
        end = self.replay.stamp_ms(int(opened) + step_us) - 1
        prices = [text(x) for x in (o, h, low, c)]
        return [
            begin,
            *prices,
            f"{volume:.8f}",
            end,
            f"{quote:.8f}",
            int(count),
            f"{taker:.8f}",
            "0.00000000",
            "0",
        ]

    def _listing(self, feed: Feed) -> dict[str, Any]:
        rules = self.rules[feed.wire]
        step, lot = f"{rules.tick:f}", f"{rules.lot:f}"
        return {
            "symbol": feed.wire,
            "status": "TRADING",
            "baseAsset": feed.base,
            "baseAssetPrecision": 8,
            "quoteAsset": feed.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": False,
            "ocoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": step, "maxPrice": "100000000", "tickSize": step},
                {
                    "filterType": "LOT_SIZE",
                    "minQty": f"{rules.min_qty:f}",
                    "maxQty": f"{rules.max_qty:f}",
                    "stepSize": lot,
                },
                {
                    "filterType": "NOTIONAL",
                    "minNotional": f"{rules.min_notional:f}",
                    "applyMinToMarket": True,
                    "maxNotional": "9000000.00000000",
                    "applyMaxToMarket": False,
                    "avgPriceMins": 0,
                },
            ],
        }


def whole(params: Params, name: str, default: int | None = None) -> int:
    """A parameter as a whole number, or Binance's complaint about it."""
    value = params.get(name, default)
    try:
        return int(str(value))
    except ValueError:
        raise Reject(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        ) from None


def limited(params: Params, default: int, most: int) -> int:
    """How many rows a request wants, within what is allowed."""
    return max(1, min(whole(params, "limit", default), most))
