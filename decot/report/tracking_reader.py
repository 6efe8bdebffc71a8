"""Reads W&B's offline run files without W&B's server. Knows their framing and records; changes nothing.

The file is a LevelDB log (32 KiB blocks; crc32, length and type before each piece) of protobuf records, after a
seven-byte head. W&B removed its own reader; the record's schema still comes from the package.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decot.errors import DataFault

HEAD, PIECE, BLOCK = 7, 7, 32 * 1024
FULL, FIRST, LAST = 1, 2, 4


@dataclass(slots=True, kw_only=True)
class OfflineRun:
    """What one run file holds."""

    run_id: str = ""
    name: str = ""
    project: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artefacts: list[dict[str, Any]] = field(default_factory=list)
    """name, type and metadata of each"""
    torn: bool = False
    """the file ends in the middle of a record: its writer was killed"""


def offline_runs(folder: str | Path) -> list[Path]:
    """The run files under a tracker's folder, oldest first."""
    return sorted(Path(folder).glob("**/offline-run-*/run-*.wandb"))


def read_offline(path: str | Path) -> OfflineRun:
    """Config, history, summary and artefacts of a `run-*.wandb` file, or of the run folder that holds one.

    Raises:
        DataFault: not such a file, or damaged before its end.
    """
    path = Path(path)
    if path.is_dir():
        inside = sorted(path.glob("run-*.wandb"))
        if not inside:
            raise DataFault(f"{path.name}: no run-*.wandb in this folder; name a run folder or file")
        path = inside[0]
    from wandb.proto import wandb_internal_pb2 as schema

    run = OfflineRun()
    for raw in _records(path, run):
        record = schema.Record()
        record.ParseFromString(raw)
        _take(run, record)
    return run


def _take(run: OfflineRun, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run.run_id, run.name = record.run.run_id, record.run.display_name
        run.project, run.group = record.run.project, record.run.run_group
        run.config.update(_items(record.run.config.update))
    elif kind == "config":
        run.config.update(_items(record.config.update))
    elif kind == "history":
        run.history.append(_items(record.history.item))
    elif kind == "summary":
        run.summary.update(_items(record.summary.update))
        for item in record.summary.remove:
            run.summary.pop(item.key, None)
    elif kind in ("artifact", "request"):
        artefact = record.artifact if kind == "artifact" else record.request.log_artifact.artifact
        if artefact.name:
            metadata = json.loads(artefact.metadata) if artefact.metadata else {}
            run.artefacts.append({"name": artefact.name, "type": artefact.type, "metadata": metadata})


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(path: Path, run: OfflineRun) -> Iterator[bytes]:
    data = path.read_bytes()
    if data[:4] != b":W&B":
        raise DataFault(f"{path.name}: begins with {data[:4]!r}, not with ':W&B'; name a run-*.wandb file")
    at, record = HEAD, b""
    while at + PIECE <= len(data):
        left = BLOCK - at % BLOCK
        if left < PIECE:
            at += left
            continue
        crc, length, kind = struct.unpack("<IHB", data[at : at + PIECE])
        body = data[at + PIECE : at + PIECE + length]
        if len(body) < length:
            run.torn = True
            return
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != crc:
            raise DataFault(
                f"{path.name}: the piece at byte {at} does not fit its checksum; the file is damaged"
            )
        at += PIECE + length
        record = body if kind in (FULL, FIRST) else record + body
        if kind in (FULL, LAST):
            yield record
    run.torn = at < len(data)
