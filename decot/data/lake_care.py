"""Where tables come from, and what killed writers left behind. Knows the lake's log, not its rows."""

from __future__ import annotations

import json
import time
from urllib.parse import unquote

from decot.data.lake import Lake
from schemas.ref import Ref


def lineage(lake: Lake, ref: Ref) -> list[tuple[int, Ref]]:
    """A Ref and all it was made from, each with its depth (0 is the Ref itself), as far as this lake knows.

    A source that another lake holds ends its branch.
    """
    found, open_ends, seen = [], [(0, ref)], set()
    while open_ends:
        depth, one = open_ends.pop()
        if one in seen:
            continue
        seen.add(one)
        found.append((depth, one))
        if one.version <= lake.latest(one.table):
            change = lake.commit_info(one.table, one.version)["change"]
            if change["digest"] == one.digest:
                made_of = [Ref.from_dict(source) for source in change["sources"]]
                open_ends += [(depth + 1, source) for source in reversed(made_of)]
    return found


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
