"""Which code this is, as a hash of its sources. Knows nothing of what the code does."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOMS = ("schemas", "decot")


@cache
def code_version() -> str:
    """sha256 over the text of every source file of `decot` and `schemas`, in order of name.

    A result remembered under one version is not used by another; a model card cites it.
    """
    house = Path(__file__).resolve().parents[2]
    seen = hashlib.sha256()
    for room in ROOMS:
        for file in sorted((house / room).rglob("*")):
            if file.suffix in {".py", ".json"}:
                seen.update(file.relative_to(house).as_posix().encode())
                seen.update(file.read_bytes())
    return seen.hexdigest()
