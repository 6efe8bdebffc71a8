"""What is installed, as a CycloneDX 1.6 bill of materials. Reads metadata of this environment; asks nobody.

python -m deployments.sbom --out dist/decot.cdx.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import uuid
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = "decot"


def bill(distributions: Iterable[metadata.Distribution] | None = None) -> dict[str, Any]:
    """Every distribution that decot needs, directly or not, with version, licence and what it needs in turn.

    The same environment gives the same bill: it holds no time, and its serial number is a hash of the contents.
    """
    known = {_plain(one.metadata["Name"]): one for one in (distributions or metadata.distributions())}
    reached = _reached(known)
    components = [_component(known[name]) for name in sorted(reached - {ROOT})]
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {**_component(known[ROOT]), "type": "application"},
            "properties": [{"name": "python", "value": ".".join(map(str, sys.version_info[:3]))}],
        },
        "components": components,
        "dependencies": [
            {
                "ref": _ref(known[name]),
                "dependsOn": sorted(_ref(known[one]) for one in _needs(known[name], known)),
            }
            for name in sorted(reached)
        ],
    }
    said = json.dumps(whole, sort_keys=True)
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, said)}", **whole}


def _reached(known: dict[str, metadata.Distribution]) -> set[str]:
    reached, open_ends = set(), [ROOT]
    while open_ends:
        name = open_ends.pop()
        if name not in reached:
            reached.add(name)
            open_ends += _needs(known[name], known)
    return reached


def _needs(one: metadata.Distribution, known: dict[str, metadata.Distribution]) -> list[str]:
    """Names of what it asks for and what is here, those of its extras included."""
    asked = (re.match(r"[A-Za-z0-9_.-]+", line) for line in one.requires or [])
    names = {_plain(found.group(0)) for found in asked if found}
    return sorted(names & set(known) - {_plain(one.metadata["Name"])})


def _component(one: metadata.Distribution) -> dict[str, Any]:
    name, said = _plain(one.metadata["Name"]), _licence(one)
    return {
        "type": "library",
        "bom-ref": _ref(one),
        "name": name,
        "version": one.version,
        "purl": f"pkg:pypi/{name}@{one.version}",
        **({"licenses": [{"license": {"name": said}}]} if said else {}),
    }


def _licence(one: metadata.Distribution) -> str:
    said = one.metadata.get("License-Expression") or ""
    known = one.metadata.get_all("Classifier") or []
    classed = [line.rsplit(" :: ", 1)[-1] for line in known if line.startswith("License ::")]
    free = (one.metadata.get("License") or "").strip().splitlines()
    return said or ", ".join(classed) or (free[0][:80] if free else "")


def _ref(one: metadata.Distribution) -> str:
    return f"{_plain(one.metadata['Name'])}@{one.version}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(words: list[str] | None = None) -> int:
    """Write the bill, whole or not at all."""
    asked = argparse.ArgumentParser(prog="python -m deployments.sbom", description=__doc__.splitlines()[0])
    asked.add_argument("--out", type=Path, default=Path("dist/decot.cdx.json"))
    out = asked.parse_args(words).out
    out.parent.mkdir(parents=True, exist_ok=True)
    draft, whole = out.with_suffix(".part"), bill()
    draft.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, out)
    sys.stderr.write(f"{out}: {len(whole['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
