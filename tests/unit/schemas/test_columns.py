"""The column lists, literally as the design gives them."""

from __future__ import annotations

from schemas import columns


def test_the_41_columns_are_those_of_the_design_in_order():
    """Names, order and number, spelled out here once more so that a change must be made twice."""
    assert (
        *("timestamp", "price", "volume", "open", "high", "low", "close"),
        *("bid_price", "ask_price", "bid_volume", "ask_volume", "spread", "order_imbalance"),
        *("rsi_14", "macd", "macd_signal", "ema_9", "ema_21", "sma_50"),
        *("bollinger_upper", "bollinger_lower", "atr_14", "adx"),
        *("event_spike_volume", "event_breakout", "event_reversal"),
        *("trend_direction", "momentum_shift", "pattern_match"),
        *("future_return_5s", "future_return_10s", "future_signal", "future_max_dd", "target_profit"),
        *("position", "pnl", "cumulative_pnl", "drawdown", "entry_price", "exit_signal", "execution_latency"),
    ) == columns.BASE_COLUMNS
    assert len(columns.BASE_COLUMNS) == 41
    groups = (
        columns.MARKET,
        columns.MICROSTRUCTURE,
        columns.INDICATORS,
        columns.EVENTS,
        columns.TARGETS,
        columns.SYSTEM,
    )
    assert [len(group) for group in groups] == [7, 6, 10, 6, 5, 7]


def test_the_extended_table_begins_with_the_41_and_has_at_least_50():
    """The extension only adds, and no name is used twice."""
    assert columns.FEATURES_COLUMNS[:41] == columns.BASE_COLUMNS
    assert len(columns.FEATURES_COLUMNS) >= 50
    assert len(set(columns.FEATURES_COLUMNS)) == len(columns.FEATURES_COLUMNS)
