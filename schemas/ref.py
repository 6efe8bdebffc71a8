"""The name of a stored table, and nothing of its contents. What travels between flows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """One version of one table, as a model card cites it."""

    table: str
    """name in the lake, e.g. `base`"""
    version: int
    """Delta Lake version, counted from 0"""
    rows: int
    columns: int
    digest: str
    """sha256 of the contents (names, types, values), independent of files"""
    symbol: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `name` is the key people read."""
        plain = asdict(self)
        return {"name": plain.pop("table"), **plain}

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Ref:
        """The inverse of `to_dict`."""
        return Ref(table=plain["name"], **{key: value for key, value in plain.items() if key != "name"})
