"""Rows on their way to the lake: small atomic segment files that survive kill −9. Knows no venue.

    folder/trades/BTC-USDT/00000001.parquet     segments, in order
    folder/frames/00000001.jsonl.zst            what came over the wire: `<recv_ns> <frame>`
    folder/refused/00000001.jsonl.zst           what was not believed, and why

A file appears whole (written aside, synced, renamed) or not at all; a leftover `.tmp` is ignored and removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa


def slug(symbol: str) -> str:
    """A symbol as a folder name."""
    return symbol.replace("/", "-").replace(":", "_")


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a file that then appears at `path` all at once, safe against a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    write(aside)
    handle = os.open(aside, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def write_text(path: Path, text: str) -> None:
    """For `write_whole`: a text and its last newline."""
    path.write_text(text + "\n", encoding="utf-8")


class Segments:
    """One growing table of one symbol, kept as a row of whole files."""

    def __init__(self, folder: Path, schema: Mapping[str, Any]) -> None:
        self.folder, self.schema = folder, dict(schema)
        self.rows: list[Sequence[Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob("*.tmp"):
            torn.unlink()
        self.count = max((int(file.stem) for file in self.files()), default=0)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def take(self) -> Callable[[], None]:
        """Take the waiting rows away; the answer writes them as the next segment, from any thread."""
        rows, self.rows = self.rows, []
        if not rows:
            return lambda: None
        self.count += 1
        path = self.folder / f"{self.count:08d}.parquet"

        def write() -> None:
            frame = pl.DataFrame(rows, schema=self.schema, orient="row")
            write_whole(path, frame.write_parquet)

        return write

    def flush(self) -> None:
        """Put the waiting rows into a new segment, now."""
        self.take()()

    def read(self) -> pl.DataFrame:
        """Everything in the segments, in the order it was written."""
        frames = [pl.read_parquet(file) for file in self.files()]
        return pl.concat(frames) if frames else pl.DataFrame(schema=self.schema)


class Lines:
    """Lines of text, kept as a row of whole compressed files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waiting: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob("*.tmp"):
            torn.unlink()
        self.count = max((int(file.name.split(".")[0]) for file in folder.glob("*.jsonl.zst")), default=0)

    def take(self) -> Callable[[], None]:
        """Take the waiting lines away; the answer writes them as the next file, from any thread."""
        lines, self.waiting = self.waiting, []
        if not lines:
            return lambda: None
        self.count += 1
        path = self.folder / f"{self.count:08d}.jsonl.zst"

        def write() -> None:
            data = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
            write_whole(path, lambda aside: _compress(aside, data))

        return write

    def flush(self) -> None:
        """Put the waiting lines into a new file, now."""
        self.take()()

    def read(self) -> Iterable[str]:
        """Every line written so far, oldest first."""
        for file in sorted(self.folder.glob("*.jsonl.zst")):
            yield from read_lines(file)


def _compress(path: Path, data: bytes) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
        packed.write(data)


def read_lines(path: Path) -> list[str]:
    """The lines of one `.jsonl.zst` file."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        text: str = stream.read().decode("utf-8")
    return text.rstrip("\n").split("\n")
