"""8-bit weights: another model, made from the first, whose agreement is measured."""

import shutil

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from decot.context.text import TextConfig, TextEncoder
from decot.context.text_int8 import FILE, prepare_int8
from decot.context.tiny_text import build_tiny_cryptobert, made_up_headlines
from decot.errors import CheckpointRefused, MissingWeights


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return build_tiny_cryptobert(tmp_path_factory.mktemp("models") / "tiny", steps=100)


def test_int8_must_be_made_and_then_agrees(tiny):
    """Asked for and absent: the command is named. Made: labels agree on nearly all texts, rows have their own identity."""
    small = TextConfig(int8=True)
    with pytest.raises(MissingWeights, match=r"python -m decot\.context\.text_int8"):
        TextEncoder.open(tiny, small)
    full = TextEncoder.open(tiny)
    prepare_int8(tiny)
    assert TextEncoder.open(tiny).identity == full.identity
    quick = TextEncoder.open(tiny, small)
    assert quick.identity != full.identity
    texts, _ = made_up_headlines(200, np.random.default_rng(3))
    one, two = full.encode(texts), quick.encode(texts)
    assert (one.sentiment.argmax(1) == two.sentiment.argmax(1)).mean() >= 0.97
    assert one.embedding.shape == two.embedding.shape


def test_int8_of_other_weights_is_refused(tiny, tmp_path):
    """Copied beside a model it was not made from, the 8-bit file is not used."""
    prepare_int8(tiny)
    other = build_tiny_cryptobert(tmp_path / "other", seed=8, steps=2)
    for name in (FILE, "decot_int8.json"):
        shutil.copy(tiny / name, other / name)
    with pytest.raises(CheckpointRefused, match="make it again"):
        TextEncoder.open(other, TextConfig(int8=True))
