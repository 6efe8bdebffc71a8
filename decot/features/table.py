"""The base table of 41 columns and the features table, from bars. Knows names and order; knows no formula."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from decot.errors import TableRefused
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.kernel import BASE_OUT, OUT_NAMES
from decot.features.targets import targets
from schemas.columns import (
    BASE_COLUMNS,
    CONTEXT,
    FEATURES_COLUMNS,
    KERNEL_EXTENSION,
    REGIME,
    SYSTEM,
    TEXT,
    cast_to_schema,
)


def base_table(
    bars: pl.DataFrame, cfg: FeatureConfig | None = None, *, matrix: np.ndarray | None = None
) -> pl.DataFrame:
    """The 41 columns of the bars; system columns at rest (a flat account).

    Args:
        bars: the `bars` table.
        matrix: what `compute(bars, cfg)` gave, if it was already asked; computed otherwise.
    """
    cfg = cfg or FeatureConfig()
    if matrix is None:
        matrix = compute(bars, cfg, n_columns=len(BASE_OUT))
    ahead = targets(bars["close"].to_numpy(), cfg.clock_ms, cfg, bars["timestamp"].to_numpy())
    frame = pl.DataFrame(
        {
            "timestamp": bars["timestamp"],
            **{name: matrix[:, k] for k, name in enumerate(BASE_OUT)},
            **ahead,
            **{name: np.zeros(bars.height) for name in SYSTEM},
        }
    )
    return cast_to_schema(frame, BASE_COLUMNS)


def features_table(
    base: pl.DataFrame, matrix: np.ndarray, context: Mapping[str, np.ndarray] | None = None
) -> pl.DataFrame:
    """The base table and the extension.

    Args:
        base: from `base_table`, of the same bars.
        matrix: (T, 66) from `compute`.
        context: regime, text and context columns by name; the absent ones are zero, which means unknown.
    Raises:
        TableRefused: a context column nobody knows, or of another length.
    """
    context = context or {}
    known = (*REGIME, *TEXT, *CONTEXT)
    faults = [
        f"column {name} is no context column; it must be one of regime_, text_, context_"
        for name in context
        if name not in known
    ]
    faults += [
        f"column {name} has {len(values)} rows, the base table {base.height}; align it on timestamp"
        for name, values in context.items()
        if len(values) != base.height
    ]
    if matrix.shape != (base.height, len(OUT_NAMES)):
        faults.append(f"the matrix is {matrix.shape}, it must be {(base.height, len(OUT_NAMES))}")
    if faults:
        raise TableRefused("features", faults)
    first = OUT_NAMES.index(KERNEL_EXTENSION[0])
    zeros = np.zeros(base.height)
    frame = base.with_columns(
        *[pl.Series(name, matrix[:, first + k]) for k, name in enumerate(KERNEL_EXTENSION)],
        *[pl.Series(name, np.asarray(context.get(name, zeros), float)) for name in known],
    )
    return cast_to_schema(frame, FEATURES_COLUMNS)


def build_table(bars: pl.DataFrame, cfg: FeatureConfig | None = None) -> pl.DataFrame:
    """Bars to the features table in one call, context columns unknown: what `check-causality` asks about."""
    matrix = compute(bars, cfg)
    return features_table(base_table(bars, cfg, matrix=matrix), matrix)
