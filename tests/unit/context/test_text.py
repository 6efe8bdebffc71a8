"""CryptoBERT's loading path, walked by a stand-in that is built on the spot."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from decot.context.text import TextConfig, TextEncoder, length_batches, possibly_seen
from decot.context.tiny_text import build_tiny_cryptobert, made_up_headlines
from decot.errors import CheckpointRefused, MissingWeights


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    return build_tiny_cryptobert(tmp_path_factory.mktemp("models") / "tiny")


def test_the_stand_in_goes_through_the_loading_path(tiny):
    """Tokenizer, weights and labels come from files by the Auto classes, and the moods come out right."""
    encoder = TextEncoder.open(tiny)
    assert type(encoder.model).__name__ == "RobertaForSequenceClassification"
    assert encoder.is_stand_in
    texts, labels = made_up_headlines(90, np.random.default_rng(99))
    encoded = encoder.encode(texts)
    assert encoded.embedding.shape == (90, 32)
    np.testing.assert_allclose(encoded.sentiment.sum(1), 1, atol=1e-5)
    assert (encoded.sentiment.argmax(1) == labels).mean() > 0.9


def test_missing_weights_name_the_command(monkeypatch, tmp_path):
    """Offline and absent: the error says which command or folder brings the model."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="hf download ElKulako/cryptobert"):
        TextEncoder.open("ElKulako/cryptobert")
    with pytest.raises(MissingWeights, match="no such folder"):
        TextEncoder.open("./nowhere/at/all")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MissingWeights, match="never opened"):
        TextEncoder.open(tmp_path)


def test_weights_that_do_not_fill_the_model_are_refused(tiny, tmp_path):
    """A head that would be random is an error, not a sentiment."""
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    held = load_file(broken / "model.safetensors")
    save_file({k: v for k, v in held.items() if "classifier.dense" not in k}, broken / "model.safetensors")
    with pytest.raises(CheckpointRefused, match="would be random"):
        TextEncoder.open(broken)


def test_a_headline_is_encoded_once(tiny, tmp_path):
    """The same text is computed once per store, also by the next process, and gives the same bits."""
    cfg = TextConfig(cache=str(tmp_path))
    first = TextEncoder.open(tiny, cfg)
    one = first.encode(["btc crashes below support", "btc holds steady", "btc crashes below support"])
    assert first.n_computed == 2
    second = TextEncoder.open(tiny, cfg)
    two = second.encode(["btc holds steady", "btc crashes below support"])
    assert second.n_computed == 0
    assert np.array_equal(one.embedding[[1, 0]], two.embedding)
    other = TextEncoder.open(tiny, TextConfig(cache=str(tmp_path), pooling="cls"))
    other.encode(["btc holds steady"])
    assert other.n_computed == 1


def test_a_row_does_not_depend_on_its_company(tiny):
    """A text encoded in a crowd and alone: equal to 1e-5, so batches carry nothing over."""
    texts, _ = made_up_headlines(60, np.random.default_rng(5))
    crowd = TextEncoder.open(tiny).encode(texts).embedding
    encoder = TextEncoder.open(tiny)
    alone = np.stack([encoder.encode([text]).embedding[0] for text in texts])
    np.testing.assert_allclose(crowd, alone, atol=1e-5)


def test_batches_hold_one_length_and_lose_none():
    """Every index once, one length a batch, never above the token budget."""
    lengths = [3, 9, 3, 3, 100, 9, 1]
    batches = length_batches(lengths, 10)
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    for batch in batches:
        assert len({lengths[i] for i in batch}) == 1
        assert len(batch) == 1 or sum(lengths[i] for i in batch) <= 10


def test_the_same_seed_builds_the_same_weights(tiny, tmp_path):
    """Built twice, the stand-in is the same to the last byte, and its card says what it is."""
    other = build_tiny_cryptobert(tmp_path / "again")
    assert (other / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    card = json.loads((other / "decot_card.json").read_text())
    assert card["stand_in"] is True
    assert "not CryptoBERT" in card["what"]


def test_headlines_before_the_training_cut_off_are_flagged():
    """CryptoBERT's posts end 2022-06-16: what was published then or before may be remembered."""
    day = 86_400_000
    end = 1_655_337_600_000  # 2022-06-16 00:00 UTC
    frame = pl.DataFrame({"published_ms": [end - day, end + day - 1, end + day]})
    assert possibly_seen(frame).to_list() == [True, True, False]
