"""A small RoBERTa with CryptoBERT's three labels, built and trained on the spot. Knows made-up headlines only.

It exists so that the pipeline, its tests and the demo go through the very loading path of CryptoBERT without
a download. It is no CryptoBERT: its card says so, and whoever shows its words must show that too.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from decot.context.text import quiet_transformers

COINS = ("bitcoin", "btc", "ethereum", "eth", "solana", "crypto", "altcoins", "xrp", "the market", "bnb")
_BULLISH = (
    "{c} surges {n}% as buyers rush in",
    "{c} rallies to a new high",
    "record inflows into {c} funds",
    "{c} breaks out above resistance",
    "whales accumulate {c} after upgrade",
    "regulator approves {c} etf, price jumps",
    "{c} soars on strong demand",
    "institutions buy {c}, bullish momentum grows",
    "{c} rebounds {n}% from support",
    "partnership news lifts {c} higher",
)
_NEUTRAL = (
    "{c} trades sideways ahead of data",
    "{c} holds steady near {n}k",
    "what to know about {c} this week",
    "{c} volume unchanged in quiet session",
    "developers schedule {c} meeting",
    "exchange lists a new {c} pair",
    "{c} little changed as traders wait",
    "a guide to {c} wallets",
    "survey: {n}% of readers follow {c}",
    "conference on {c} opens on monday",
)
_BEARISH = (
    "{c} plunges {n}% as sellers dump",
    "{c} crashes below support",
    "hack drains {n} million from {c} exchange",
    "regulator sues {c} exchange over fraud",
    "{c} liquidations hit {n} million",
    "outflows weigh on {c}, price falls",
    "{c} slides on weak demand",
    "panic selling drags {c} lower",
    "{c} loses {n}% after ban news",
    "bankruptcy fears hurt {c}, bearish pressure grows",
)
TEMPLATES = (_BEARISH, _NEUTRAL, _BULLISH)
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def made_up_headlines(n: int, rng: np.random.Generator) -> tuple[list[str], list[int]]:
    """`n` headlines and their labels, 0 bearish, 1 neutral, 2 bullish, balanced."""
    texts, labels = [], []
    for i in range(n):
        label = i % 3
        template = TEMPLATES[label][rng.integers(len(TEMPLATES[label]))]
        text = template.format(c=COINS[rng.integers(len(COINS))], n=int(rng.integers(2, 90)))
        if rng.random() < 0.3:
            text = text.capitalize()
        texts.append(text)
        labels.append(label)
    return texts, labels


def build_tiny_cryptobert(folder: str | Path, *, seed: int = 7, steps: int = 120) -> Path:
    """Build, train for a few seconds and save; the same seed gives the same weights.

    Args:
        folder: where config.json, model.safetensors, the tokenizer and decot_card.json are written; a folder
            that already holds this very stand-in is left as it is.
    Returns:
        the folder, ready for `TextEncoder.open`.
    """
    folder = Path(folder)
    recipe = {"builder": "decot.context.tiny_text/1", "seed": seed, "steps": steps}
    card_path = folder / "decot_card.json"
    if card_path.is_file() and json.loads(card_path.read_text()).get("recipe") == recipe:
        return folder
    quiet_transformers()
    part = folder.with_name(folder.name + f".{os.getpid()}.part")
    part.mkdir(parents=True, exist_ok=True)
    texts, labels = made_up_headlines(900, np.random.default_rng([seed, 0]))
    unseen = made_up_headlines(300, np.random.default_rng([seed, 1]))
    tokenizer = _tokenizer(texts, part)
    accuracy = _train_and_save(tokenizer, texts, labels, unseen, part, seed, steps)
    card = {
        "stand_in": True,
        "stands_in_for": "ElKulako/cryptobert",
        "what": "a two-layer RoBERTa built and trained on the spot on made-up headlines; not CryptoBERT",
        "recipe": recipe,
        "accuracy_on_unseen_made_up_headlines": accuracy,
    }
    (part / "decot_card.json").write_text(json.dumps(card, indent=1))
    if folder.is_dir():
        shutil.rmtree(folder)
    os.replace(part, folder)
    return folder


def _tokenizer(texts: list[str], folder: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=800, special_tokens=_SPECIAL, show_progress=False)
    bpe.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=128
    )
    tokenizer.save_pretrained(str(folder))
    return tokenizer


def _train_and_save(
    tokenizer: Any,
    texts: list[str],
    labels: list[int],
    unseen: tuple[list[str], list[int]],
    folder: Path,
    seed: int,
    steps: int,
) -> float:
    """Train with AdamW on one thread (so that sums have one order) and return the accuracy on unseen ones."""
    import torch
    from transformers import RobertaConfig, RobertaForSequenceClassification

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        names = ("Bearish", "Neutral", "Bullish")
        config = RobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=130,
            type_vocab_size=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
        )
        model = RobertaForSequenceClassification(config)
        every = tokenizer(texts, padding=True, return_tensors="pt")
        target = torch.tensor(labels)
        optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
        model.train()
        for _ in range(steps):
            rows = torch.randint(len(texts), (48,))
            batch = {name: part[rows] for name, part in every.items()}
            loss = model(**batch, labels=target[rows]).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        model.eval()
        with torch.inference_mode():
            held = tokenizer(unseen[0], padding=True, return_tensors="pt")
            right = (model(**held).logits.argmax(-1) == torch.tensor(unseen[1])).float().mean()
    torch.set_num_threads(threads)
    model.save_pretrained(str(folder))
    return round(float(right), 4)
