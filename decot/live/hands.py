"""What a worker acts with: a hand is aimed at a target and goes there. On paper `hand_paper`, with orders `hand_live`.

Whichever acted, every fill is in the same journal, so that journal, account and session table say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from decot.live.reconcile import Flat

OnFill = Callable[[dict[str, Any]], None]


class Hand(Protocol):
    """What a worker acts with."""

    on_fill: OnFill
    broken: BaseException | None
    """why it can act no more"""

    @property
    def position(self) -> int: ...
    @property
    def quantity(self) -> float: ...
    @property
    def entry_price(self) -> float: ...
    @property
    def n_orders(self) -> int: ...
    @property
    def halted(self) -> str: ...
    @property
    def stands_at(self) -> int:
        """What the mind is told it holds."""
        ...

    def equity(self, mid: float) -> float: ...
    def on_bar(self, t_ms: int, bid: float, ask: float, bid_qty: float, ask_qty: float) -> None: ...
    def aim(self, target: int, bid: float, ask: float, latency_ms: float) -> None: ...
    def stop_entries(self, why: str) -> None:
        """Nothing enters from now on, with "" again."""
        ...

    def remember(self, kind: str, said: Mapping[str, Any]) -> None:
        """Write something of the worker's own into the journal."""
        ...

    def recall(self, kind: str) -> Mapping[str, Any]:
        """The newest that was remembered of this kind, empty when there is none."""
        ...

    def halt(self, why: str) -> None: ...
    def release(self, who: str) -> None: ...
    async def open(self) -> list[str]: ...
    async def work(self) -> None:
        """Whatever must go on beside the bars, until cancelled."""
        ...

    async def reconcile(self, why: str) -> list[str]: ...
    async def flatten(self, why: str, *, by_venue: bool = False) -> Flat: ...
