"""News bar by bar is news in batch, whenever the bars began and however late a headline came."""

import numpy as np
import polars as pl
import pytest

from decot.context.aggregate import Projector, aggregate
from decot.context.news_stream import NewsStream
from decot.context.text_config import Encoded, TextConfig
from schemas.columns import TEXT

CFG = TextConfig(half_life_minutes=5.0, memory_minutes=12.0)
RNG = np.random.default_rng(4)
N = 60
EMBEDDING = RNG.normal(size=(N, 24)).astype(np.float32)
SENTIMENT = RNG.dirichlet(np.ones(3), size=N).astype(np.float32)
AVAILABLE = np.sort(RNG.integers(0, 3_600_000, N))
BARS = np.arange(1_000, 3_600_001, 1_000)
KEYS = [(int(at), int(at) - 5_000, "s", f"headline {i}") for i, at in enumerate(AVAILABLE)]
PROJECTOR = Projector.fit(EMBEDDING[:30])


def frame(keys) -> pl.DataFrame:
    return pl.DataFrame(
        [(key[1], key[0], key[2], key[3]) for key in keys],
        schema=["published_ms", "available_ms", "source", "text"],
        orient="row",
    )


def matrix(keys, rows, bars, projector=PROJECTOR) -> np.ndarray:
    encoded = Encoded(EMBEDDING[rows], SENTIMENT[rows])
    columns = aggregate(frame(keys), encoded, bars, CFG, projector=projector)
    return np.stack([columns[name] for name in TEXT], axis=1)


@pytest.mark.parametrize("projector", [PROJECTOR, None])
def test_bar_by_bar_is_batch_bit_for_bit(projector):
    """All headlines known beforehand: every row equal to the last bit, with and without a projection."""
    stream = NewsStream(CFG, projector)
    stream.hear(KEYS, Encoded(EMBEDDING, SENTIMENT))
    live = np.array([stream.row(int(t)) for t in BARS])
    assert np.array_equal(live, matrix(KEYS, np.arange(N), BARS, projector))
    assert 0 < live[:, -1].mean() < 1


def test_a_session_that_begins_late_sees_the_same(tmp_path):
    """Bars from the middle on, headlines from the start: the rows of the whole table, to the last bit."""
    stream = NewsStream(CFG, PROJECTOR)
    stream.hear(KEYS, Encoded(EMBEDDING, SENTIMENT))
    live = np.array([stream.row(int(t)) for t in BARS[1_800:]])
    assert np.array_equal(live, matrix(KEYS, np.arange(N), BARS)[1_800:])


def test_a_headline_heard_after_its_bar_counts_from_the_next():
    """It takes nothing back; a table made from what was heard has the very rows that were seen live."""
    stream, live = NewsStream(CFG, PROJECTOR), []
    later = AVAILABLE > 1_000_000
    early, late = np.flatnonzero(~later), np.flatnonzero(later)
    stream.hear([KEYS[i] for i in early], Encoded(EMBEDDING[early], SENTIMENT[early]))
    for t in BARS:
        live.append(stream.row(int(t)))
        if t == 2_000_000:
            stream.hear([KEYS[i] for i in late], Encoded(EMBEDDING[late], SENTIMENT[late]))
    assert np.array_equal(np.array(live)[:2_000], matrix([KEYS[i] for i in early], early, BARS)[:2_000])
    heard = stream.heard()
    rows = np.array([int(key[3].split()[1]) for key in heard])
    assert np.array_equal(np.array(live), matrix(heard, rows, BARS))
    assert min(key[0] for key in heard if int(key[3].split()[1]) in set(late.tolist())) > 2_000_000


def test_sentiment_needs_no_projection():
    """Without one, text_* are masked; sentiment_* and news_known are what they are with one."""
    with_it, without = matrix(KEYS, np.arange(N), BARS), matrix(KEYS, np.arange(N), BARS, None)
    assert (without[:, :16] == 0).all()
    assert np.array_equal(with_it[:, 16:], without[:, 16:])
