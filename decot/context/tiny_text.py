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

SUBJECTS = (
    *(
        "bitcoin",
        "BTC",
        "ethereum",
        "ETH",
        "solana",
        "crypto",
        "altcoins",
        "XRP",
        "the market",
        "crypto markets",
    ),
    *(
        "bitcoin futures",
        "spot bitcoin funds",
        "bitcoin miners",
        "large holders",
        "whales",
        "options traders",
    ),
    *("a listed treasury company", "an exchange token", "stablecoin issuers", "ether funds", "dogecoin"),
)
_BULLISH = (
    *("surge {n}% as buyers rush in", "surges past resistance on strong demand", "rally to a new high"),
    *("rallies as buyers return", "climb after a product is approved", "climbs {n}% on record inflows"),
    *("break out above resistance", "breaks out to a new weekly high", "see fresh inflows for a second week"),
    *("sees record inflows", "add fresh inflows again", "adds inflows for days", "accumulate on the dip"),
    *("gain as short sellers are squeezed", "gains {n}%", "soars on strong demand", "soar to a record"),
    *("turn bullish on rising volume", "turns bullish as momentum grows", "recover all losses of the week"),
    *(
        "recovers its losses",
        "rebounds {n}% from support",
        "jumps as regulator approves an ETF",
        "rises sharply",
    ),
    *("win approval from the regulator", "lifted by partnership news", "bought heavily by institutions"),
    *("rise on adoption news", "hits an all-time high", "higher as demand returns", "upgrade sparks a rally"),
)
_NEUTRAL = (
    *("trade sideways ahead of data", "trades sideways in thin volume", "hold steady near {n}k"),
    *("holds steady", "little changed as traders wait", "are little changed after a quiet session"),
    *("see no surprise in the report", "sees no change this week", "wait for the monthly expiry"),
    *(
        "waits for economic data",
        "in focus: what to know this week",
        "listed in a new pair",
        "volume unchanged",
    ),
    *("developers schedule a meeting", "guide: how wallets work", "conference opens on monday"),
    *("survey: {n}% of readers answered", "range-bound before the central bank meets", "flat on the day"),
    *("explained in {n} minutes", "unchanged after the weekly report", "quiet ahead of the expiry"),
    *(
        "moves little as volume stays thin",
        "report published",
        "stay in a narrow range",
        "calm session expected",
    ),
)
_BEARISH = (
    *("plunge {n}% as sellers dump", "plunges as sellers take control", "crash below support"),
    *("crashes on panic selling", "slide on heavy selling", "slides below support on weak demand"),
    *("break down below support", "breaks down to a new weekly low", "see outflows for a second week"),
    *("sees record outflows", "drop after an exchange reports a hack", "drops {n}% after a ban"),
    *(
        "dump holdings on exchanges",
        "sold heavily by large holders",
        "fall as leveraged longs are liquidated",
    ),
    *("falls {n}%", "hit by {n} million of liquidations", "turn bearish on fading demand"),
    *(
        "turns bearish as volume fades",
        "lose all gains of the week",
        "loses its gains",
        "sued by the regulator",
    ),
    *(
        "hurt by bankruptcy fears",
        "tumbles as fraud is alleged",
        "sinks to a new low",
        "lower as demand fades",
    ),
    *(
        "drained by a hack of {n} million",
        "dragged lower by selling",
        "selloff deepens",
        "weak as outflows grow",
    ),
)
TEMPLATES = (_BEARISH, _NEUTRAL, _BULLISH)
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def made_up_headlines(n: int, rng: np.random.Generator) -> tuple[list[str], list[int]]:
    """`n` headlines and their labels, 0 bearish, 1 neutral, 2 bullish, balanced."""
    texts, labels = [], []
    for i in range(n):
        label = i % 3
        template = TEMPLATES[label][rng.integers(len(TEMPLATES[label]))]
        subject = SUBJECTS[rng.integers(len(SUBJECTS))]
        text = f"{subject} {template.format(n=int(rng.integers(2, 90)))}"
        if rng.random() < 0.6:
            text = text[0].upper() + text[1:]
        texts.append(text)
        labels.append(label)
    return texts, labels


def build_tiny_cryptobert(folder: str | Path, *, seed: int = 7, steps: int = 200) -> Path:
    """Build, train for a few seconds and save; the same seed gives the same weights.

    Args:
        folder: where config.json, model.safetensors, the tokenizer and decot_card.json are written; a folder
            that already holds this very stand-in is left as it is.
    Returns:
        the folder, ready for `TextEncoder.open`.
    """
    folder = Path(folder)
    recipe = {"builder": "decot.context.tiny_text/2", "seed": seed, "steps": steps}
    card_path = folder / "decot_card.json"
    if card_path.is_file() and json.loads(card_path.read_text()).get("recipe") == recipe:
        return folder
    quiet_transformers()
    part = folder.with_name(folder.name + f".{os.getpid()}.part")
    part.mkdir(parents=True, exist_ok=True)
    texts, labels = made_up_headlines(1_500, np.random.default_rng([seed, 0]))
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
    bpe.train_from_iterator(texts, vocab_size=1_000, special_tokens=_SPECIAL, show_progress=False)
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
