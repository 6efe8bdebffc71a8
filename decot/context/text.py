"""Headlines as numbers: CryptoBERT (or another encoder) through transformers. Knows texts; knows nothing of bars.

The path from weights to numbers is one: a hub name or a local folder, read by AutoTokenizer and
AutoModelForSequenceClassification, safetensors only. Weights that are not there are a MissingWeights that says
which command brings them; nothing stands in for them silently. Texts of equal length are encoded together, so
no padding is computed, and each text once: its row is kept by content.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from decot.context.aggregate import Projector, aggregate, possibly_seen
from decot.context.text_cache import TextCache
from decot.context.text_config import LABELS, Encoded, TextConfig
from decot.context.text_int8 import FILE, NOTES, open_int8, run_int8
from decot.errors import CheckpointRefused, MissingWeights

__all__ = [
    "LABELS",
    "Encoded",
    "Projector",
    "TextConfig",
    "TextEncoder",
    "aggregate",
    "length_batches",
    "locate",
    "possibly_seen",
    "quiet_transformers",
]

_OTHER_NAMES = {"negative": "bearish", "positive": "bullish"}


@dataclass(slots=True)
class TextEncoder:
    """An encoder that is ready; make it with `open`."""

    cfg: TextConfig
    tokenizer: Any
    model: Any
    order: tuple[int, ...]
    """where bearish, neutral, bullish stand among the model's labels; empty without such a head"""
    identity: str
    """sha256 of weights, configuration, tokenizer and of every setting that changes a number"""
    card: dict[str, Any] = field(default_factory=dict)
    """what the folder says of itself; `stand_in` is true for a model built on the spot"""
    store: TextCache = field(default_factory=lambda: TextCache(None, ""))
    session: Any = None
    """onnxruntime's, when the 8-bit weights are used"""
    n_computed: int = 0
    """texts that really went through the model"""

    @staticmethod
    def open(model: str | Path, cfg: TextConfig | None = None) -> TextEncoder:
        """Load tokenizer and weights from a local folder or the hub cache.

        Raises:
            MissingWeights: not on this machine (with HF_HUB_OFFLINE set, or no network), or no safetensors.
            CheckpointRefused: the folder holds weights that do not fill the model.
        """
        cfg = cfg or TextConfig()
        folder = locate(str(model))
        config = json.loads((folder / "config.json").read_text())
        tokenizer, loaded = _load(folder, config)
        order = _label_order(loaded.config.id2label) if _has_head(config) else ()
        session = open_int8(folder) if cfg.int8 else None
        identity = _identity(folder, cfg)
        store = TextCache(Path(cfg.cache) if cfg.cache else None, identity)
        return TextEncoder(cfg, tokenizer, loaded, order, identity, _card(folder, str(model)), store, session)

    @property
    def is_stand_in(self) -> bool:
        return bool(self.card.get("stand_in", False))

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One row per text, in order; texts seen before are not computed again."""
        new = self.store.missing(texts)
        if new:
            self.store.put(new, self._compute(new))
        width = int(self.model.config.hidden_size)
        rows = self.store.get(texts) if len(texts) else np.zeros((0, width + 3), dtype=np.float32)
        return Encoded(rows[:, :width], rows[:, width:])

    def _compute(self, texts: Sequence[str]) -> np.ndarray:
        """(N, H + 3): pooled embedding, then the three probabilities."""
        ids = self.tokenizer(list(texts), truncation=True, max_length=self.cfg.max_length)["input_ids"]
        out = np.zeros((len(texts), int(self.model.config.hidden_size) + 3), dtype=np.float32)
        for batch in length_batches([len(row) for row in ids], self.cfg.batch_tokens):
            out[batch] = self._forward(np.array([ids[i] for i in batch], dtype=np.int64))
        self.n_computed += len(texts)
        return out

    def _forward(self, ids: np.ndarray) -> np.ndarray:
        import torch

        if self.session is not None:
            hidden, logits = (torch.from_numpy(part) for part in run_int8(self.session, ids))
            return self._row(hidden, logits)
        tokens = torch.from_numpy(ids)
        with torch.inference_mode():
            found = self.model(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True
            )
        return self._row(found.hidden_states[-1], found.logits if self.order else None)

    def _row(self, hidden: Any, logits: Any) -> np.ndarray:
        import torch

        pooled = hidden[:, 0] if self.cfg.pooling == "cls" else hidden.mean(1)
        sentiment = logits.softmax(-1)[:, list(self.order)] if self.order else torch.zeros(len(hidden), 3)
        return torch.cat([pooled, sentiment], dim=1).float().numpy()


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices in batches of equal token count, none above `batch_tokens` tokens: nothing is ever padded."""
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    batches = []
    for length in sorted(by_length):
        n = max(batch_tokens // max(length, 1), 1)
        members = by_length[length]
        batches += [members[i : i + n] for i in range(0, len(members), n)]
    return batches


def locate(model: str) -> Path:
    """The folder that holds the model: the local folder itself, or its snapshot in the hub cache.

    The hub is asked only when HF_HUB_OFFLINE is not set. Raises MissingWeights with the command to run.
    """
    if Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    elif model.count("/") > 1 or model.startswith((".", "~")):
        raise MissingWeights(
            f"{model}: no such folder; put config.json, model.safetensors and the tokenizer's files there, "
            "or name a hub model such as ElKulako/cryptobert"
        )
    else:
        folder = _from_hub(model)
    if not (folder / "config.json").is_file():
        raise MissingWeights(f"{model}: {folder} holds no config.json; {_remedy(model)}")
    if not list(folder.glob("*.safetensors")):
        held = ", ".join(sorted(path.name for path in folder.glob("*.bin"))) or "no weights"
        raise MissingWeights(
            f"{model}: {folder} holds {held} but no *.safetensors; pickled weights are never opened. "
            "Fetch a safetensors revision, or save the model once with save_pretrained on a machine you trust "
            "and give that folder as text.model"
        )
    return folder


def _remedy(model: str) -> str:
    return (
        f"run `HF_HUB_OFFLINE=0 hf download {model}` where there is a network, or copy its folder here and set "
        "text.model (or DECOT_TEXT_MODEL) to it; to go on without reading news set text.model to ''"
    )


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    wanted = ["*.json", "*.txt", "*.safetensors", "*.codes", "*.model"]
    try:
        return Path(snapshot_download(model, local_files_only=True, allow_patterns=wanted))
    except (LocalEntryNotFoundError, FileNotFoundError):
        pass
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise MissingWeights(
            f"{model}: not in the hub cache and HF_HUB_OFFLINE is set; {_remedy(model)}"
        ) from None
    try:
        return Path(snapshot_download(model, allow_patterns=wanted))
    except (LocalEntryNotFoundError, RepositoryNotFoundError, HfHubHTTPError, OSError) as away:
        raise MissingWeights(
            f"{model}: could not be fetched ({type(away).__name__}); {_remedy(model)}"
        ) from away


def quiet_transformers() -> None:
    """No progress bars and no advice on our streams: stdout and stderr belong to the command."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _has_head(config: dict[str, Any]) -> bool:
    return any(name.endswith("ForSequenceClassification") for name in config.get("architectures") or [])


def _load(folder: Path, config: dict[str, Any]) -> tuple[Any, Any]:
    """Tokenizer and model in evaluation mode; a head only where the checkpoint has one."""
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    quiet_transformers()
    family = AutoModelForSequenceClassification if _has_head(config) else AutoModel
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model, notes = family.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError) as broken:
        raise CheckpointRefused(f"{folder}: cannot be read ({broken}); fetch the model again") from broken
    absent = sorted(
        name for name in notes["missing_keys"] if "pooler" not in name and "position_ids" not in name
    )
    if absent:
        raise CheckpointRefused(
            f"{folder}: {len(absent)} weights are not in the file (first {absent[0]}) and would be random; "
            "fetch the model again"
        )
    return tokenizer, model.eval()


def _label_order(id2label: dict[int, str]) -> tuple[int, ...]:
    """Where bearish, neutral and bullish stand; empty when the head is about something else."""
    names = {_OTHER_NAMES.get(name.lower(), name.lower()): int(index) for index, name in id2label.items()}
    return tuple(names[label] for label in LABELS) if set(LABELS) <= set(names) else ()


def _card(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "decot_card.json"
    said = json.loads(path.read_text()) if path.is_file() else {"stand_in": False}
    return {"name": name, **said}


def _identity(folder: Path, cfg: TextConfig) -> str:
    """Hash of every file that decides a number, and of the settings that do."""
    total = hashlib.sha256()
    small = [folder / FILE] if cfg.int8 else []
    parts = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".txt")]
    for path in [*sorted(parts), *small]:
        if path.name not in ("decot_card.json", NOTES):
            total.update(path.name.encode())
            with path.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    total.update(json.dumps([cfg.max_length, cfg.pooling, cfg.int8]).encode())
    return total.hexdigest()
