"""Laws a whole table obeys, as polars expressions that are true on a lawful row. Knows no pandera."""

from __future__ import annotations

import polars as pl

BASE_LAWS: dict[str, pl.Expr] = {
    "low ≤ open, close ≤ high": (
        (pl.col("low") <= pl.min_horizontal("open", "close"))
        & (pl.max_horizontal("open", "close") <= pl.col("high"))
    ),
    "spread = ask_price − bid_price ≥ 0 (a crossed book is refused, a locked one is legal)": (
        (pl.col("ask_price") >= pl.col("bid_price"))
        & ((pl.col("ask_price") - pl.col("bid_price") - pl.col("spread")).abs() <= 1e-9 * pl.col("ask_price"))
    ),
    "order_imbalance = (bv − av) / (bv + av)": (
        (
            pl.when(pl.col("bid_volume") + pl.col("ask_volume") > 0)
            .then(
                (pl.col("bid_volume") - pl.col("ask_volume")) / (pl.col("bid_volume") + pl.col("ask_volume"))
            )
            .otherwise(0.0)
            - pl.col("order_imbalance")
        ).abs()
        <= 1e-9
    ),
    "bollinger_lower ≤ sma-band ≤ bollinger_upper": pl.col("bollinger_lower") <= pl.col("bollinger_upper"),
    "entry_price is 0 exactly when flat": (pl.col("position") == 0) == (pl.col("entry_price") == 0),
}

BARS_LAWS: dict[str, pl.Expr] = {
    "low ≤ open, close ≤ high": BASE_LAWS["low ≤ open, close ≤ high"],
    "bid_price ≤ ask_price": pl.col("bid_price") <= pl.col("ask_price"),
    "buy_volume + sell_volume ≤ volume": (
        pl.col("buy_volume") + pl.col("sell_volume") <= pl.col("volume") * (1 + 1e-9) + 1e-12
    ),
}

BOOK_LAWS: dict[str, pl.Expr] = {"bid ≤ ask": pl.col("bid") <= pl.col("ask")}

CANDLE_LAWS: dict[str, pl.Expr] = {"low ≤ open, close ≤ high": BASE_LAWS["low ≤ open, close ≤ high"]}

FEATURE_LAWS: dict[str, pl.Expr] = {
    **BASE_LAWS,
    "regime posteriors sum to 1 or are all 0": (
        pl.sum_horizontal([f"regime_{k}" for k in range(6)]).pipe(
            lambda total: ((total - 1).abs() <= 1e-6) | (total == 0)
        )
    ),
    "unknown news has no sentiment": (pl.col("news_known") > 0)
    | (pl.sum_horizontal("sentiment_bearish", "sentiment_neutral", "sentiment_bullish") == 0),
}
