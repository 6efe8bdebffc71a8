"""How many headlines a second an encoder of CryptoBERT's size reads, beside the usual ways to feed it, in one run.

    python -m benchmarks.text [--json] [--texts 96] [--layers 12]

The model is RoBERTa-base in shape with random weights (speed does not depend on them), saved and opened by the very
path CryptoBERT takes; headlines have 8 to 80 tokens, about 25 on average. Peers are transformers on the same model,
batches of 8 in order of arrival: padded to 128, and padded to the longest of the batch. Whether 8-bit weights keep
their labels cannot be seen on random weights: that is measured on the small model trained on the spot. One thread;
rates are per CPU-second.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch

from decot.context.text import TextConfig, TextEncoder
from decot.context.tiny_text import build_tiny_cryptobert, made_up_headlines

TARGETS = {"transformers, padded to 128": 5.0}
BATCH = 8


def made_texts(n: int, tokenizer: Any, seed: int = 0) -> list[str]:
    """Headlines strung together until they have a length drawn from 8 to 80 tokens, mean about 25."""
    rng = np.random.default_rng(seed)
    words = " ".join(made_up_headlines(4_000, rng)[0]).split()
    texts = []
    for i in range(n):
        length = int(np.clip(rng.lognormal(3.0, 0.55), 8, 80))
        first = int(rng.integers(len(words) - 200))
        ids = tokenizer(f"{i} " + " ".join(words[first : first + 100]))["input_ids"][1 : length - 1]
        texts.append(tokenizer.decode(ids))
    return texts


def big_model(folder: Path, tokenizer_from: Path, layers: int) -> None:
    """A RoBERTa-base-shaped three-label model with random weights, in CryptoBERT's layout."""
    from transformers import AutoTokenizer, RobertaConfig, RobertaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(tokenizer_from), local_files_only=True)
    tokenizer.save_pretrained(str(folder))
    names = ("Bearish", "Neutral", "Bullish")
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=layers,
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    torch.manual_seed(0)
    RobertaForSequenceClassification(config).save_pretrained(str(folder))


def rate(work: Callable[[], Any], n: int, rounds: int = 2) -> float:
    """Texts per CPU-second, the best of the rounds."""
    best = 0.0
    for _ in range(rounds):
        before = time.process_time()
        work()
        best = max(best, n / (time.process_time() - before))
    return best


def usual(encoder: TextEncoder, texts: list[str], padding: str) -> None:
    """Batches of 8 as they arrive, padded by the tokenizer."""
    with torch.inference_mode():
        for i in range(0, len(texts), BATCH):
            rows = encoder.tokenizer(
                texts[i : i + BATCH], padding=padding, truncation=True, max_length=128, return_tensors="pt"
            )
            encoder.model(**rows, output_hidden_states=True)


def labels_agree(tiny: Path, n: int = 600) -> float:
    """Share of headlines to which the trained small model gives the same label in 8 bits."""
    from decot.context.text_int8 import prepare_int8

    texts, _ = made_up_headlines(n, np.random.default_rng(5))
    full = TextEncoder.open(tiny).encode(texts).sentiment.argmax(1)
    prepare_int8(tiny)
    small = TextEncoder.open(tiny, TextConfig(int8=True)).encode(texts).sentiment.argmax(1)
    return float((full == small).mean())


def measure(n_texts: int, layers: int) -> dict[str, Any]:
    """Everything, as one plain dict."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as aside:
        tiny, big = build_tiny_cryptobert(Path(aside) / "tiny"), Path(aside) / "big"
        big_model(big, tiny, layers)
        encoder = TextEncoder.open(big)
        texts = made_texts(n_texts, encoder.tokenizer)
        encoder._compute(texts[:4])
        lengths = [len(ids) for ids in encoder.tokenizer(texts)["input_ids"]]
        to_128 = rate(lambda: usual(encoder, texts, "max_length"), n_texts, 1)
        to_longest = rate(lambda: usual(encoder, texts, "longest"), n_texts)
        bucketed = rate(lambda: encoder._compute(texts), n_texts)
        ours: dict[str, Any] = {"bucketed_per_cpu_s": bucketed, "mean_tokens": float(np.mean(lengths))}
        best = bucketed
        if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
            from decot.context.text_int8 import prepare_int8

            prepare_int8(big)
            small = TextEncoder.open(big, TextConfig(int8=True))
            small._compute(texts[:4])
            ours["bucketed_int8_per_cpu_s"] = rate(lambda: small._compute(texts), n_texts)
            ours["int8_labels_agree"] = labels_agree(tiny)
            if ours["int8_labels_agree"] >= 0.98:
                best = max(best, ours["bucketed_int8_per_cpu_s"])
        before = time.process_time()
        encoder.encode(texts)
        first = time.process_time() - before
        before = time.process_time()
        encoder.encode(texts)
        ours["again_from_store_speedup"] = first / max(time.process_time() - before, 1e-9)
    peers = {
        "transformers, padded to 128": {"per_cpu_s": to_128},
        "transformers, padded to the longest": {"per_cpu_s": to_longest},
    }
    ratios = {name: best / peer["per_cpu_s"] for name, peer in peers.items()}
    ratios["transformers, padded to 128; bucketing alone"] = bucketed / to_128
    return {"ours": {**ours, "best_per_cpu_s": best}, "peers": peers, "ratios": ratios}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 when every target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.text")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--layers", type=int, default=12)
    chosen = parser.parse_args(arguments)
    found = measure(chosen.texts, chosen.layers)
    met = all(found["ratios"].get(name, 0.0) >= bound for name, bound in TARGETS.items())
    report = {"name": "text", **found, "targets": TARGETS, "met": met}
    print(json.dumps(report) if chosen.json else json.dumps(report, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
