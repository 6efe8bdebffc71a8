"""Headlines for made-up markets: tone first, then words. Knows no model that will read them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from decot.data.tape import HEADLINES

_SOURCES: Final = ("wire", "desk", "forum", "exchange notice")
_WHO: Final = (
    *("Bitcoin", "BTC", "Bitcoin futures", "Spot bitcoin funds", "Bitcoin miners", "Large holders"),
    *("Crypto markets", "Bitcoin options traders", "A listed treasury company", "Bitcoin whales"),
)
_RISING: Final = (
    *(
        "rally as buyers return",
        "surge past resistance on strong demand",
        "add fresh inflows for a third day",
    ),
    *(
        "climb after regulators approve a new product",
        "break out to a new weekly high",
        "accumulate on the dip",
    ),
    *(
        "gain as short sellers are squeezed",
        "turn bullish on rising volume",
        "recover all losses of the morning",
    ),
)
_FALLING: Final = (
    *(
        "plunge as sellers take control",
        "slide below support on heavy selling",
        "see outflows for a third day",
    ),
    *(
        "drop after an exchange reports a hack",
        "break down to a new weekly low",
        "dump holdings on exchanges",
    ),
    *(
        "fall as leveraged longs are liquidated",
        "turn bearish on fading demand",
        "lose all gains of the morning",
    ),
)
_FLAT: Final = (
    *("trade sideways ahead of economic data", "hold steady in thin volume", "wait for the monthly expiry"),
    *("are little changed after a quiet session", "see no surprise in the weekly report"),
)


def write_headlines(
    rng: np.random.Generator, ts_us: NDArray[Any], drift: NDArray[Any], per_day: float, agrees: float
) -> pl.DataFrame:
    """A day's headlines, mildly agreeing with the drift of their moment.

    Args:
        rng: the day's generator.
        ts_us: (N,) moments at which `drift` is known; headlines fall between the first and the last.
        drift: (N,) unit variance.
        per_day: mean number for a full day's span of any length.
        agrees: how often a toned headline has the drift's sign; three in ten have no tone.
    Returns:
        the headlines table, sorted by `available_ms`, 3–45 s after publication.
    """
    n = int(rng.poisson(per_day))
    at = np.sort(rng.integers(0, len(ts_us), n))
    tone = np.where(rng.random(n) < agrees, 1, -1) * np.sign(drift[at])
    tone = np.where(rng.random(n) < 0.3, 0, tone).astype(int)
    published = ts_us[at] // 1_000
    available = published + (3_000 + 42_000 * rng.random(n)).astype(np.int64)
    phrases = {1: _RISING, 0: _FLAT, -1: _FALLING}
    texts = [
        f"{_WHO[int(rng.integers(len(_WHO)))]} {phrases[t][int(rng.integers(len(phrases[t])))]}"
        for t in tone.tolist()
    ]
    sources = [_SOURCES[int(k)] for k in rng.integers(0, len(_SOURCES), n)]
    columns = {"published_ms": published, "available_ms": available, "source": sources, "text": texts}
    return pl.DataFrame(columns, schema=HEADLINES).sort("available_ms", maintain_order=True)
