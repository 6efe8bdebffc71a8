"""Which trades are here, which are missing, which came twice, from their numbers alone. Knows no network.

A venue numbers its trades without holes, so a jump is a gap and a number seen before is a duplicate. Memory grows
with the number of open gaps, never with the number of trades.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_JUMP = 5_000_000
"""a jump above this is a broken id, not a gap"""


@dataclass(slots=True)
class Hole:
    """Missing ids `first`…`last`, noticed at `found_s` of the stopwatch."""

    first: int
    last: int
    found_s: float
    cause: str

    def __len__(self) -> int:
        return self.last - self.first + 1


class Ids:
    """The book-keeping of one stream of numbered trades.

    `next_id` is the number expected next; None until the first is known.
    """

    def __init__(self, next_id: int | None = None) -> None:
        self.next_id = next_id
        self.holes: list[Hole] = []
        self.duplicates = self.late = 0

    def take(self, number: int, now_s: float, cause: str = "ids") -> str:
        """Note one id: "new" in order or after a fresh hole, "late" into a hole, "dup" already here, "wild" absurd."""
        if self.next_id is None:
            self.next_id = number
        if number - self.next_id > MAX_JUMP:
            return "wild"
        if number >= self.next_id:
            self.expect(number, now_s, cause)
            self.next_id = number + 1
            return "new"
        for hole in self.holes:
            if hole.first <= number <= hole.last:
                self._fill(hole, number)
                self.late += 1
                return "late"
        self.duplicates += 1
        return "dup"

    def expect(self, upcoming: int, now_s: float, cause: str) -> None:
        """All ids below `upcoming` are known to exist; those not here become a hole."""
        if self.next_id is not None and upcoming > self.next_id:
            self.holes.append(Hole(self.next_id, upcoming - 1, now_s, cause))
            self.next_id = upcoming

    def due(self, now_s: float, grace_s: float) -> list[Hole]:
        """Holes older than the grace given to late frames."""
        return [hole for hole in self.holes if now_s - hole.found_s >= grace_s]

    def give_up(self, hole: Hole) -> None:
        """The venue no longer has these."""
        self.holes = [other for other in self.holes if other is not hole]

    @property
    def missing(self) -> int:
        return sum(len(hole) for hole in self.holes)

    def _fill(self, hole: Hole, number: int) -> None:
        parts = [
            Hole(first, last, hole.found_s, hole.cause)
            for first, last in ((hole.first, number - 1), (number + 1, hole.last))
            if first <= last
        ]
        place = self.holes.index(hole)
        self.holes[place : place + 1] = parts
