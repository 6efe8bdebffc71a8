"""From headlines to columns: what is known at a bar depends on what was available, and on nothing else."""

import numpy as np
import polars as pl
import pytest

from decot.context.text import Encoded, Projector, TextConfig, aggregate
from decot.errors import CheckpointRefused, DataFault

MINUTE = 60_000
BARS = np.arange(1, 61, dtype=np.int64) * MINUTE


def news(available: list[int], published: list[int] | None = None) -> pl.DataFrame:
    n = len(available)
    return pl.DataFrame(
        {
            "published_ms": published or available,
            "available_ms": available,
            "source": ["wire"] * n,
            "text": [f"headline {i}" for i in range(n)],
        }
    )


def encoded(n: int, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    return Encoded(
        rng.normal(size=(n, 8)).astype(np.float32), rng.dirichlet(np.ones(3), size=n).astype(np.float32)
    )


PROJECTOR = Projector.fit(encoded(40, 9).embedding)


def columns(available, rows, published=None):
    return aggregate(news(available, published), rows, BARS, projector=PROJECTOR)


def test_a_headline_counts_from_the_bar_after_it_was_available():
    """Available in the middle of bar 10: unknown at 10's start, known at its end."""
    out = columns([10 * MINUTE + 1], encoded(1))
    assert out["news_known"].tolist() == [0.0] * 10 + [1.0] * 50
    assert (out["text_0"][:10] == 0).all()
    np.testing.assert_allclose(out["text_0"][10:], PROJECTOR.apply(encoded(1).embedding)[0, 0])


def test_two_headlines_weigh_by_age():
    """One half-life apart, the older one has half the newer one's weight."""
    rows = Encoded(np.zeros((2, 8), np.float32), np.array([[1, 0, 0], [0, 0, 1]], np.float32))
    out = aggregate(
        news([MINUTE, 31 * MINUTE]), rows, BARS, TextConfig(half_life_minutes=30), projector=PROJECTOR
    )
    np.testing.assert_allclose(out["sentiment_bearish"][30], 1 / 3)
    np.testing.assert_allclose(out["sentiment_bullish"][30], 2 / 3)


def test_old_news_is_unknown_news():
    """Beyond the memory nothing is known, and every column is 0."""
    out = aggregate(news([MINUTE]), encoded(1), BARS, TextConfig(memory_minutes=5), projector=PROJECTOR)
    assert out["news_known"].sum() == 6
    assert all((column[6:] == 0).all() for column in out.values())


def test_the_future_changes_nothing_before_it():
    """A headline available later, with any publication time, changes no earlier bit."""
    past = [3 * MINUTE, 7 * MINUTE]
    rows = encoded(3)
    before = columns(past, Encoded(rows.embedding[:2], rows.sentiment[:2]))
    after = columns([*past, 30 * MINUTE + 1], rows, [*past, MINUTE])
    for name, column in before.items():
        assert np.array_equal(column[:30], after[name][:30])
    assert not np.array_equal(before["text_0"][30:], after["text_0"][30:])


def test_a_redated_publication_changes_nothing():
    """Only availability enters: publication times may say what they like."""
    times = [3 * MINUTE, 7 * MINUTE]
    one, two = columns(times, encoded(2)), columns(times, encoded(2), [1, 2])
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_the_order_of_rows_changes_nothing():
    """A table sorted otherwise gives the same columns."""
    rows = encoded(2)
    one = columns([3 * MINUTE, 7 * MINUTE], rows)
    two = columns([7 * MINUTE, 3 * MINUTE], Encoded(rows.embedding[::-1], rows.sentiment[::-1]))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_no_headlines_is_all_zero():
    """An empty table masks every text column."""
    out = columns([], encoded(0))
    assert len(out) == 20
    assert all((column == 0).all() for column in out.values())


def test_the_projection_is_the_principal_components():
    """Uncorrelated components of falling variance, the first of spread 1, signs fixed, saved exactly."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 24)) @ rng.normal(size=(24, 24))
    fitted = Projector.fit(rows)
    out = fitted.apply(rows)
    cov = out.T @ out / len(out)
    np.testing.assert_allclose(cov, np.diag(np.diagonal(cov)), atol=1e-9)
    assert (np.diff(np.diagonal(cov)) <= 1e-12).all()
    assert cov[0, 0] == pytest.approx(1)
    assert (fitted.axes[np.abs(fitted.axes).argmax(0), range(16)] > 0).all()
    assert np.array_equal(Projector.from_json(fitted.to_json()).apply(rows), out)
    with pytest.raises(CheckpointRefused):
        Projector.from_json(fitted.to_json().replace('"scale": ', '"scale": 1'))


def test_few_texts_leave_empty_axes():
    """Two texts span one axis; the others are zero rather than noise."""
    out = Projector.fit(encoded(2).embedding).apply(encoded(2).embedding)
    assert (out[:, 1:] == 0).all()
    with pytest.raises(DataFault):
        Projector.fit(np.zeros((0, 8)))
