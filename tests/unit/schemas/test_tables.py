"""Every rule of every table really runs: one poisoned cell per column and check, refused by name at the door."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.doors import admit
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TableRefused
from schemas.columns import BASE_COLUMNS, DEPTH, FEATURES_COLUMNS, REGIME, TIME, dtype_of
from schemas.laws import BARS_LAWS, BASE_LAWS, BOOK_LAWS, CANDLE_LAWS, FEATURE_LAWS
from schemas.tables import TABLES, faults

ROWS = 900
_UNIT = (*DEPTH, *TIME, "vpin", "order_imbalance")


def lawful_features() -> pl.DataFrame:
    """A made-up table of all feature columns that obeys every law."""
    rng = np.random.default_rng(3)
    frame = {}
    for name in FEATURES_COLUMNS:
        if dtype_of(name) == pl.Int8():
            frame[name] = np.zeros(ROWS, np.int8)
        elif name in _UNIT:
            frame[name] = rng.random(ROWS)
        else:
            frame[name] = 50.0 + rng.random(ROWS)
    frame["timestamp"] = 1_700_000_000_000 + 1_000 * np.arange(ROWS)
    frame["open"], frame["close"], frame["low"], frame["high"] = (
        np.full(ROWS, v) for v in (9.0, 10.0, 8.0, 11.0)
    )
    frame["bid_price"], frame["ask_price"] = np.full(ROWS, 9.5), np.full(ROWS, 9.75)
    frame["spread"] = frame["ask_price"] - frame["bid_price"]
    bids, asks = frame["bid_volume"], frame["ask_volume"]
    frame["order_imbalance"] = (bids - asks) / (bids + asks)
    frame["bollinger_lower"], frame["bollinger_upper"] = np.full(ROWS, 8.0), np.full(ROWS, 12.0)
    for name in (
        "future_return_5s",
        "future_return_10s",
        "entry_price",
        *REGIME,
        "news_known",
        "context_known",
        "tick_rule",
    ):
        frame[name] = np.zeros(ROWS)
    for name in ("sentiment_bearish", "sentiment_neutral", "sentiment_bullish"):
        frame[name] = np.zeros(ROWS)
    frame["future_max_dd"] = np.full(ROWS, -0.01)
    return pl.DataFrame(frame).with_columns(pl.col(name).cast(dtype_of(name)) for name in FEATURES_COLUMNS)


def _lawful() -> dict[str, pl.DataFrame]:
    tape = make_world(WorldConfig(days=1, seconds_per_day=600, headlines_per_day=300))
    features = lawful_features()
    candles = features.select("timestamp", "open", "high", "low", "close", "volume")
    return {
        "raw_trades": tape.trades,
        "raw_book": tape.book,
        "raw_candles": candles,
        "headlines": tape.headlines,
        "bars": build_bars(tape, 1_000),
        "base": features.select(BASE_COLUMNS),
        "features": features,
    }


LAWFUL = _lawful()


def poisons(check: str, dtype: pl.DataType, before: object) -> list[object]:
    """Values that break a check, by what it calls itself; a check we cannot name fails the test."""
    if check == "finite":
        return [float("nan"), float("inf"), float("-inf")]
    if check == "> 0":
        return [0, -1]
    if check == "≥ 0":
        return [-1]
    if check.startswith("between "):
        low, high = (float(word.replace("−", "-")) for word in check[8:].split(" and "))
        return [low - 0.5, high + 0.5]
    if check == "one of −1, 0, 1":
        return [2, -2]
    if check == "0 or 1":
        return [2, -1]
    if check.startswith("0 (none)"):
        return [-1, 21]
    if "strictly increasing" in check:
        return [before, before - 1]
    if check.endswith("sorted"):
        return [before - 1]
    if check == "not empty":
        return [""]
    raise AssertionError(f"no poison known for the check {check!r}")


def _label(check) -> str:
    return str(check.error or check.name)


LAWS = {
    "raw_trades": {},
    "raw_book": BOOK_LAWS,
    "raw_candles": CANDLE_LAWS,
    "headlines": {"available_ms ≥ published_ms": None},
    "bars": BARS_LAWS,
    "base": BASE_LAWS,
    "features": FEATURE_LAWS,
}


def refusal(frame: pl.DataFrame, table: str) -> str:
    """What the door says to a frame it must refuse."""
    with pytest.raises(TableRefused) as refused:
        admit(frame, TABLES[table], f"{table} of a poisoned partition")
    return str(refused.value)


def poisoned(frame: pl.DataFrame, column: str, value: object, row: int) -> pl.DataFrame:
    at = pl.int_range(pl.len()) == row
    cell = pl.lit(value, dtype=frame.schema[column])
    return frame.with_columns(pl.when(at).then(cell).otherwise(pl.col(column)).alias(column))


@pytest.mark.parametrize("table", TABLES)
def test_a_lawful_table_is_admitted(table):
    """The partitions poisoned below are lawful before they are poisoned."""
    assert faults(LAWFUL[table], TABLES[table]) == []


@pytest.mark.parametrize("table", TABLES)
def test_every_poisoned_cell_is_refused_by_column_row_and_check(table):
    """Every value that breaks a check of a column, each alone in its row: all are named, with row and check."""
    frame, expected, row = LAWFUL[table], [], 1
    for column, rules in TABLES[table].columns.items():
        for check in rules.checks:
            for value in poisons(_label(check), frame.schema[column], LAWFUL[table][column][row - 1]):
                frame = poisoned(frame, column, value, row)
                expected.append((f"{column}, row {row}: ", _label(check)))
                row += 2
    assert row < frame.height
    said = refusal(frame, table).splitlines()
    for place, check in expected:
        assert any(place in line and check in line for line in said), f"{place}{check} went unnoticed"
    assert {column for column, rules in TABLES[table].columns.items() if rules.checks} == {
        place.split(",")[0] for place, _ in expected
    }


@pytest.mark.parametrize("column", BASE_COLUMNS)
def test_one_bad_cell_among_41_columns_is_enough(column):
    """A single poisoned cell in an otherwise lawful partition: refused, and only this column is blamed."""
    rules = TABLES["base"].columns[column].checks
    before = LAWFUL["base"][column][ROWS - 3]
    value = poisons(_label(rules[0]), dtype_of(column), before)[0] if rules else None
    text = refusal(poisoned(LAWFUL["base"], column, value, ROWS - 2), "base")
    assert f"{column}, row {ROWS - 2}" in text or f"{column}: " in text


@pytest.mark.parametrize("table", TABLES)
def test_nulls_wrong_types_and_missing_columns_are_refused(table):
    """No column of any table may hold a null, be of another type, or be absent: each is named."""
    frame = LAWFUL[table]
    with_nulls = frame
    for row, column in enumerate(frame.columns):
        with_nulls = poisoned(with_nulls, column, None, row)
    other = {name: pl.Float32() if t == pl.Float64() else pl.Float64() for name, t in frame.schema.items()}
    other.update({name: pl.Binary() for name, t in frame.schema.items() if t == pl.String()})
    for some in (frame.columns[k::4] for k in range(4)):
        wrong = {name: other[name] for name in some}
        for spoiled in (
            with_nulls,
            frame.with_columns(pl.col(n).cast(t) for n, t in wrong.items()),
            frame.drop(some),
        ):
            text = refusal(spoiled, table)
            assert [name for name in some if name not in text] == []


@pytest.mark.parametrize("table", TABLES)
def test_another_column_or_another_order_is_refused(table):
    """A table has its columns, in its order, and no more."""
    frame = LAWFUL[table]
    assert "stowaway" in refusal(frame.with_columns(stowaway=pl.lit(1.0)), table)
    assert "order" in refusal(frame.select(reversed(frame.columns)), table)


BREAKS: dict[str, dict[str, object]] = {
    "low ≤ open, close ≤ high": {"low": 10.5, "open": 10.0, "close": 10.0, "high": 11.0},
    "spread = ask_price": {"spread": 5.0},
    "order_imbalance = ": {"order_imbalance": 0.999},
    "bollinger_lower": {"bollinger_lower": 13.0},
    "entry_price is 0": {"entry_price": 5.0},
    "regime posteriors": {"regime_0": 0.5},
    "unknown news": {"sentiment_bullish": 0.5},
    "bid_price ≤ ask_price": {"bid_price": 1e9},
    "buy_volume + sell_volume": {"buy_volume": 1e9},
    "bid ≤ ask": {"bid": 1e9},
    "available_ms ≥ published_ms": {"published_ms": 2**60},
}
_PAIRS = [(table, law) for table, laws in LAWS.items() for law in laws]


@pytest.mark.parametrize(("table", "law"), _PAIRS, ids=[f"{t}-{law[:24]}" for t, law in _PAIRS])
def test_a_broken_law_is_refused_by_name(table, law):
    """Each law of a whole row: broken in one row, named at the door."""
    frame = LAWFUL[table]
    change = next(cells for start, cells in BREAKS.items() if law.startswith(start))
    for column, value in change.items():
        frame = poisoned(frame, column, value, frame.height - 2)
    assert law in refusal(frame, table)


def test_the_other_side_of_two_sided_laws():
    """A crossed book (spread negative), a high below the close, an entry price of a held position gone missing."""
    base, row = LAWFUL["base"], ROWS - 2
    crossed = poisoned(poisoned(base, "bid_price", 9.9, row), "spread", -0.15, row)
    assert "a crossed book is refused" in refusal(crossed, "base")
    assert "low ≤ open, close ≤ high" in refusal(poisoned(base, "high", 9.5, row), "base")
    assert "entry_price is 0" in refusal(poisoned(base, "position", 1, row), "base")


def test_a_locked_book_is_legal():
    """bid == ask passes: nearly some of a recorded tape looks like that."""
    base = LAWFUL["base"].with_columns(ask_price=pl.col("bid_price"), spread=pl.lit(0.0))
    assert faults(base, TABLES["base"]) == []
