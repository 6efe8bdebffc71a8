"""Where tables come from, and what killed writers left behind. Knows the lake's log, not its rows."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import unquote

from decot.data.lake import Lake
from schemas.ref import Ref


def lineage(lake: Lake, ref: Ref) -> list[tuple[int, Ref]]:
    """A Ref and all it was made from, each once with its depth (0 is the Ref itself), as far as this lake knows.

    A source that another lake holds ends its branch.
    """
    found, open_ends, seen = [], [(0, ref)], set()
    while open_ends:
        depth, one = open_ends.pop()
        if one in seen:
            continue
        seen.add(one)
        found.append((depth, one))
        open_ends += [(depth + 1, source) for source in reversed(made_of(lake, one))]
    return found


def made_of(lake: Lake, ref: Ref) -> list[Ref]:
    """The very tables a Ref was made from; none when it was fetched, or when this lake does not hold it."""
    change = _change(lake, ref)
    return [Ref.from_dict(source) for source in change.get("sources", ())]


def family(lake: Lake, ref: Ref) -> dict[str, Any]:
    """A Ref with everything it came from, for people and for JSON.

    Returns:
        the Ref's own words and `note`, `is_latest` (False: the lake holds a newer version), `is_here` (False: only
        its name is known), and `made_of`, a list of the same. A table met twice is told once; the second time it
        says `is_told`.
    """
    return _told(lake, ref, set())


def _told(lake: Lake, ref: Ref, seen: set[Ref]) -> dict[str, Any]:
    change = _change(lake, ref)
    newest = {one.symbol: one for one in lake.refs([ref.table])}.get(ref.symbol)
    entry: dict[str, Any] = {
        **ref.to_dict(),
        "note": change.get("note", ""),
        "is_here": bool(change),
        "is_latest": newest == ref,
    }
    if ref in seen:
        return {**entry, "is_told": True, "made_of": []}
    seen.add(ref)
    return {**entry, "made_of": [_told(lake, source, seen) for source in made_of(lake, ref)]}


def _change(lake: Lake, ref: Ref) -> dict[str, Any]:
    """What was written beside the commit of a Ref; nothing when this lake holds no such commit."""
    if not 0 <= ref.version <= lake.latest(ref.table):
        return {}
    change: dict[str, Any] = lake.commit_info(ref.table, ref.version)["change"]
    return change if (change["symbol"], change["digest"]) == (ref.symbol, ref.digest) else {}


def sweep(lake: Lake, name: str, *, older_than_s: float = 3_600.0) -> int:
    """Delete files that no version of the table names (left by killed writers); how many there were.

    Every version stays readable. Files younger than `older_than_s` may belong to a writer elsewhere.
    """
    with lake.locked(name):
        folder = lake.root / name
        named = set()
        for version in range(lake.latest(name) + 1):
            for line in lake.log(name, version).read_text(encoding="utf-8").splitlines():
                if added := json.loads(line).get("add"):
                    named.add(folder / unquote(added["path"]))
        young = time.time() - older_than_s
        orphans = [
            file
            for file in folder.rglob("*.parquet")
            if file not in named and "_delta_log" not in file.parts and file.stat().st_mtime <= young
        ]
        for file in orphans:
            file.unlink()
    return len(orphans)
