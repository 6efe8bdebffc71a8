"""The page of the columns: names, order, types, ranges and laws from `schemas`, the words from `columns.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from schemas import columns as c

HERE = Path(__file__).resolve().parent
GROUPS = (
    ("Market", c.MARKET),
    ("Microstructure", c.MICROSTRUCTURE),
    ("Indicators", c.INDICATORS),
    ("Events", c.EVENTS),
    ("Targets", c.TARGETS),
    ("System", c.SYSTEM),
)


def words() -> dict[str, dict[str, str]]:
    """What each column says: {"base": …, "more": …}."""
    from decot.features.patterns import PATTERNS

    said = tomllib.loads((HERE / "columns.toml").read_text())
    named = ", ".join(f"{k} {name}" for k, (name, _) in enumerate(PATTERNS))
    said["base"]["pattern_match"] = said["base"]["pattern_match"].format(patterns=named)
    return said


def page() -> str:
    """The whole page."""
    from schemas.laws import BASE_LAWS, FEATURE_LAWS
    from schemas.tables import BaseTable

    said = words()
    n = len(c.BASE_COLUMNS)
    parts = [
        f"# The {n} columns",
        "One row is one bar of the clock. The same columns, in this order, are what training, a backtest and a live\n"
        "session read and leave behind; `decot export base --to base.csv` writes them to a file. Names, order, types,\n"
        "ranges and laws on this page are read from `schemas/` when the site is built. No value may be missing or infinite.",
    ]
    at = 0
    for title, names in GROUPS:
        rows = []
        for name in names:
            at += 1
            shown = f'<span id="{name}"></span>`{name}`'
            rows.append(
                f"| {at} | {shown} | {said['base'][name]} | {_type(name)} | {_range(BaseTable, name)} |"
            )
        parts.append(
            f"## {title}\n\n| | column | what it says | type | may be |\n|-:|-|-|-|-|\n" + "\n".join(rows)
        )
    laws = "\n".join(f"- {law}" for law in BASE_LAWS)
    parts.append(
        f"## Laws of a row\n\nA table that breaks one is refused at the door, with all its faults in one message.\n\n{laws}"
    )
    rows = [f"| {_names(name)} | {text} |" for name, text in said["more"].items()]
    more = "\n".join(f"- {law}" for law in FEATURE_LAWS if law not in BASE_LAWS)
    parts.append(
        f"## The {len(c.EXTENSION)} columns beside them\n\n"
        f"The `features` table has all {len(c.FEATURES_COLUMNS)}: the {n} above and what an agent sees beside them. "
        "How the last four kinds come about: [What surrounds the market](enrichment.md).\n\n"
        "| column | what it says |\n|-|-|\n" + "\n".join(rows) + f"\n\n{more}"
    )
    return "\n\n".join(parts) + "\n"


def family(name: str) -> tuple[str, ...]:
    """The columns of the extension that a name with `*`, `,` or `…` in it stands for."""
    import fnmatch

    if "…" in name:
        first, last = (part.strip() for part in name.split("…"))
        whole = list(c.EXTENSION)
        return tuple(whole[whole.index(first) : whole.index(last) + 1])
    found = []
    for one in name.split(","):
        found += [column for column in c.EXTENSION if fnmatch.fnmatchcase(column, one.strip())]
    taken = {other for other in words()["more"] if other != name and "*" not in other and "," not in other}
    return tuple(column for column in found if column not in taken)


def _names(name: str) -> str:
    members = family(name)
    if len(members) <= 8:
        return " ".join(f"`{one}`" for one in members)
    return f"`{members[0]}` … `{members[-1]}`"


def _type(name: str) -> str:
    return str(c.dtype_of(name)).lower()


def _range(schema: Any, name: str) -> str:
    said = [check.error or check.name or "" for check in schema.columns[name].checks]
    return ", ".join(one for one in said if one and one != "finite") or "any finite"
