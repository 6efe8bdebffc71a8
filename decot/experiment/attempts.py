"""Who has knocked at the gate, on which rows, how often. Knows a chained list; weighs nothing.

Every call is a line, also the hundredth with the same question. What spends alpha is a different question on the
same rows: another artefact, other fees, other bounds. The same question has the same answer, so asking it again
cannot turn luck into a promotion. Rows are known by their prices at whole quarters of an hour, so that a day cut
elsewhere, or into finer bars, is still the same day.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve.ledger import Ledger
from decot.market.tape import Tape

_QUARTER_MS = 900_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One knock."""

    number: int
    """which different question this is on these rows, from 1; the judge spends alpha by it"""
    looks: int
    """how often anybody has knocked with these rows, this time included"""


def knock(home: Path, tape: Tape, question: str, about: dict[str, Any]) -> Attempt:
    """Write the knock down, then say which it is.

    Raises:
        LedgerBroken: the list was edited, trimmed or reordered.
    """
    ledger = Ledger(home / "attempts.jsonl")
    rows, ours = day_of(tape), quarters(tape)
    ledger.append("attempt", {**about, "question": question, "day": rows, "quarters": ours})
    asked = [
        str(line.payload.get("question", line.payload["artefact"]))
        for line in ledger.lines("attempt")
        if line.payload["day"] == rows or set(line.payload.get("quarters", ())) & set(ours)
    ]
    return Attempt(list(dict.fromkeys(asked)).index(question) + 1, len(asked))


def day_of(tape: Tape) -> str:
    """First and last moment and the sum of the mids."""
    return f"{int(tape.timestamp[0])}-{int(tape.timestamp[-1])}-{float(tape.mid.sum()):.6f}"


def quarters(tape: Tape) -> list[str]:
    """One name per whole quarter of an hour: its moment and the mids at its two ends."""
    at = np.flatnonzero(tape.timestamp % _QUARTER_MS == 0)
    ends = [(int(tape.timestamp[row]), round(float(tape.mid[row]), 6)) for row in at]
    return [
        hashlib.sha256(f"{one}{two}".encode()).hexdigest()[:16]
        for one, two in pairwise(ends)
        if two[0] - one[0] == _QUARTER_MS
    ]
