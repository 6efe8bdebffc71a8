"""Where things are kept under one home folder, and the doors between them. Knows names, not meanings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from decot.data.doors import admit
from decot.data.lake import Lake
from schemas.ref import Ref
from schemas.tables import TABLES

_SCHEMA_OF = {"session": "base"}
_TIME_OF = {"raw_trades": "recv_us", "raw_book": "recv_us", "headlines": "available_ms"}


class Place:
    """One home: a lake that holds only what was admitted, a staging lake, and folders by purpose."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.lake = Lake(self.home / "lake")
        self.staging = Lake(self.home / "staging")
        self.quarantine = self.home / "quarantine"

    def folder(self, *names: str) -> Path:
        """A folder under home, made if it is not there."""
        path = self.home.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, frame: pl.DataFrame, *, symbol: str, sources: Sequence[Ref] = ()) -> Ref:
        """Through the door of the table's schema into the lake; raises TableRefused with every fault."""
        return _store(self.lake, name, frame, symbol, sources)

    def get(self, ref: Ref) -> pl.DataFrame:
        """The very version the reference names."""
        return self.lake.get(ref.table, symbol=ref.symbol, version=ref.version)

    def stage(self, symbol: str, tables: Mapping[str, pl.DataFrame]) -> dict[str, Ref]:
        """Admit each table and keep it in staging, where nobody else reads."""
        return {name: _store(self.staging, name, frame, symbol, ()) for name, frame in tables.items()}

    def staged(self, refs: Mapping[str, Ref]) -> dict[str, pl.DataFrame]:
        """The staged tables by name."""
        return {
            name: self.staging.get(ref.table, symbol=ref.symbol, version=ref.version)
            for name, ref in refs.items()
        }

    def land(self, symbol: str, refs: Mapping[str, Ref]) -> dict[str, Ref]:
        """Move staged tables into the lake; bars name what they were built of, base names the bars."""
        frames = self.staged(refs)
        landed: dict[str, Ref] = {}
        for name, frame in frames.items():
            landed[name] = _store(self.lake, name, frame, symbol, _sources(name, landed))
        return landed


def _sources(name: str, landed: Mapping[str, Ref]) -> tuple[Ref, ...]:
    if name == "bars":
        return tuple(ref for other, ref in landed.items() if other.startswith("raw_"))
    return (landed["bars"],) if name == "base" else ()


def _store(lake: Lake, name: str, frame: pl.DataFrame, symbol: str, sources: Sequence[Ref]) -> Ref:
    admitted = admit(frame, TABLES[_SCHEMA_OF.get(name, name)], f"{name} of {symbol}")
    day_column = _TIME_OF.get(name, "timestamp")
    return lake.put(name, admitted, symbol=symbol, day_column=day_column, sources=sources)
