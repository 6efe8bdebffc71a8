"""A store of encoded texts by content, so that a headline is encoded once. Knows no model and no headline's time.

A row's key is the sha256 of the encoder's identity and the text. Rows lie in safetensors shards, each written
whole and renamed into place, named by the hash of its keys; two writers cannot tear each other's work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from decot.context.forward import Floats


def text_key(identity: str, text: str) -> bytes:
    """32 bytes that stand for this text under this encoder."""
    return hashlib.sha256(f"{identity}\0{text}".encode()).digest()


class TextCache:
    """Rows of float32 by key; on disk when a folder is given, else only in memory."""

    def __init__(self, folder: Path | None, identity: str) -> None:
        self._folder = None if folder is None else Path(folder) / identity[:16]
        self._identity = identity
        self._rows: dict[bytes, np.ndarray] = {}
        self.damaged: list[str] = []
        """shards that could not be read; they are skipped and their texts encoded again"""
        if self._folder is not None and self._folder.is_dir():
            for shard in sorted(self._folder.glob("*.safetensors")):
                self._read(shard)

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """The texts not stored yet, each once, in order of first appearance."""
        return [text for text in dict.fromkeys(texts) if text_key(self._identity, text) not in self._rows]

    def put(self, texts: Sequence[str], rows: Floats) -> None:
        """Store one row (N, W) per text."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        keys = [text_key(self._identity, text) for text in texts]
        self._rows.update(zip(keys, rows, strict=True))
        if self._folder is None or not keys:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(b"".join(keys)).hexdigest()[:24]
        part = self._folder / f"{name}.{os.getpid()}.part"
        save_file({"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32), "rows": rows}, part)
        os.replace(part, self._folder / f"{name}.safetensors")

    def get(self, texts: Sequence[str]) -> np.ndarray:
        """(N, W) float32 rows of stored texts; raises KeyError for one that is not stored."""
        return np.stack([self._rows[text_key(self._identity, text)] for text in texts])

    def _read(self, shard: Path) -> None:
        try:
            held = load_file(shard)
            pairs = zip(held["keys"], held["rows"], strict=True)
            self._rows.update({key.tobytes(): row for key, row in pairs})
        except (SafetensorError, KeyError, ValueError, OSError) as broken:
            self.damaged.append(f"{shard.name}: {broken}")
