"""The book of one symbol as its depth stream has told it so far. Knows levels and update numbers, no tape, no wire."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

Level = tuple[float, float]
"""price, quantity; quantity 0 means the level is gone"""
Sides = tuple[list[Level], list[Level]]
"""bids and asks"""


class Side:
    """One side: a quantity for each price, best first. `sign` is −1 for bids, +1 for asks."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []
        self._size: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, price: float, quantity: float) -> None:
        """Put a level, or take it away with quantity 0."""
        key = self._sign * price
        if quantity > 0:
            if key not in self._size:
                insort(self._keys, key)
            self._size[key] = quantity
        elif key in self._size:
            del self._size[key]
            del self._keys[bisect_left(self._keys, key)]

    def best(self, n: int) -> list[Level]:
        """The best `n` levels."""
        return [(self._sign * key, self._size[key]) for key in self._keys[:n]]

    def towards(self, target: Iterable[Level]) -> list[Level]:
        """What has to change so that this side is `target`."""
        wanted = {self._sign * price: (price, size) for price, size in target}
        changes = [level for key, level in wanted.items() if self._size.get(key) != level[1]]
        return changes + [(self._sign * key, 0.0) for key in self._keys if key not in wanted]


class Ladder:
    """Both sides, the number of the last update in them, and what the last step has changed."""

    def __init__(self) -> None:
        self.bids, self.asks = Side(-1), Side(+1)
        self.update = 0
        """number of the last update taken in"""
        self.first = 0
        """number of the first update of the last step"""
        self.changes: Sides = ([], [])
        self.ts_us = 0
        """the venue's time of the last step"""
        self.is_recorded = False
        """the last step was one of the tape's, not one made from the best quotes"""

    def show(self, target: Sides, update: int, ts_us: int) -> None:
        """Become this whole ladder."""
        self.change((self.bids.towards(target[0]), self.asks.towards(target[1])), update, ts_us)

    def change(self, changes: Sides, update: int, ts_us: int) -> None:
        """Take changes in; numbers run on without a hole."""
        for side, levels in zip((self.bids, self.asks), changes):
            for price, size in levels:
                side.set(price, size)
        self.first, self.update = self.update + 1, max(self.update + 1, update)
        self.changes, self.ts_us = changes, ts_us

    def best(self, n: int) -> Sides:
        """The best `n` levels of both sides."""
        return self.bids.best(n), self.asks.best(n)

    def behind(self, bid: Level, ask: Level, n: int) -> Sides:
        """The best `n` levels given fresher best quotes: levels the quotes have left behind are gone."""
        bids = [bid, *(level for level in self.bids.best(n) if level[0] < bid[0])]
        asks = [ask, *(level for level in self.asks.best(n) if level[0] > ask[0])]
        return [level for level in bids if level[1] > 0][:n], [level for level in asks if level[1] > 0][:n]
