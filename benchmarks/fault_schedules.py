"""Thousands of small lives of a broker, each with its own troubles, crashes and twins, on a clock that costs nothing.

A schedule is a seed: it decides what is ordered, what the venue does wrong, where the process dies and when a twin takes
over. At the end the venue's own record is compared with the journal.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decot.errors import OrderRefused, RiskHalt, VenueUnavailable
from decot.live.broker import Broker, Patience
from decot.live.journal import Fenced, Journal, verify
from decot.live.reconcile import flatten, reconcile, start
from decot.live.scripted import FastClock, Scripted, Troubles, drive
from decot.market.account import Account
from decot.market.desk import plan
from decot.market.orders import Order
from decot.market.rules import VenueRules, load_rules

KINDS = ("crash", "timeout", "disconnect", "duplicate", "reorder", "twin", "all", "foreign")
CALM = Troubles(
    lost_reply=0, lost_request=0, late=0, busy=0, silent=0, old=0, doubled=0, dead=0, expired=0, pieces=0.3
)  # fmt: skip


NAMES = (
    "duplicate_orders", "untracked_positions", "lost_fills", "twin_trades", "unrecovered", "foreign_missed",
    "crashes", "twins", "orders", "fills",
)  # fmt: skip


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Tally:
    """What was seen over all schedules."""

    schedules: int = 0
    duplicate_orders: int = 0
    untracked_positions: int = 0
    lost_fills: int = 0
    twin_trades: int = 0
    unrecovered: int = 0
    crashes: int = 0
    twins: int = 0
    orders: int = 0
    fills: int = 0
    foreign_missed: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    bad_seeds: list[str] = field(default_factory=list)

    def add(self, other: dict[str, int], kind: str, seed: int) -> None:
        self.schedules += 1
        self.by_kind[kind] += 1
        for name, n in other.items():
            setattr(self, name, getattr(self, name) + n)
        bad = ("duplicate_orders", "untracked_positions", "lost_fills", "twin_trades", "unrecovered")
        if any(other[name] for name in (*bad, "foreign_missed")):
            self.bad_seeds.append(f"{kind}:{seed} {[name for name in bad if other[name]]}")


class DrilledBroker(Broker):
    """Dies where the drill says: before or after any line of the journal, too."""

    step: Any = staticmethod(lambda name: None)

    def note(self, kind: str, client_id: str, said: Any) -> bool:
        self.step(f"before {kind}")
        found = super().note(kind, client_id, said)
        self.step(f"after {kind}")
        return found


def troubles_of(kind: str) -> Troubles:
    """One kind of trouble alone, or all together."""
    from dataclasses import replace

    return {
        "crash": CALM,
        "twin": CALM,
        "foreign": CALM,
        "timeout": replace(CALM, lost_reply=0.2, lost_request=0.15, late=0.2, silent=0.1, busy=0.05),
        "disconnect": replace(CALM, dead=0.08),
        "duplicate": replace(CALM, doubled=0.8, pieces=0.8),
        "reorder": replace(CALM, old=0.4, doubled=0.5, pieces=0.8, expired=0.2),
        "all": Troubles(),
    }[kind]


class Schedule:
    """One life, from an empty journal to the last comparison."""

    def __init__(
        self, kind: str, seed: int, folder: Path, rules: VenueRules, make: type[DrilledBroker] = DrilledBroker
    ) -> None:
        self.make = make
        self.rng = random.Random(f"{kind}-{seed}")
        self.kind, self.rules, self.path = kind, rules, folder / "journal.sqlite"
        for old in folder.glob("journal.sqlite*"):
            old.unlink()
        self.clock = FastClock()
        self.venue = Scripted(
            self.rng,
            self.clock,
            rules,
            troubles=troubles_of(kind),
            quote=57.0,  # three entries' worth, so that a doubled order would be filled rather than refused
            on_step=lambda name: self.step(name),
        )
        crashes = 3 if kind in ("crash", "all") else 0
        self.crash_at = sorted(self.rng.randint(1, 90) for _ in range(self.rng.randint(0, crashes)))
        if kind == "crash" and not self.crash_at:
            self.crash_at = [self.rng.randint(1, 60)]
        self.twin_at = self.rng.randint(5, 50) if kind == "twin" or (kind == "all" and seed % 3 == 0) else -1
        self.steps = self.n_crashes = self.n_twins = 0
        self.wrong_token: list[str] = []
        self.newest = 0
        self.found_foreign = self.did_foreign = False
        self.old: list[Journal] = []

    # ---- the life --------------------------------------------------------------------------------------

    def run(self) -> dict[str, int]:
        lives = 0
        while lives < 8:
            lives += 1
            try:
                drive(self._live(is_last=False))
                break
            except Crash:
                self.n_crashes += 1
                self.old.pop().close()
                self.clock.advance(self.rng.uniform(0, 1_500))
            except (VenueUnavailable, RiskHalt):
                self.clock.advance(500)
        self.crash_at, self.twin_at = [], -1
        self.venue.settle_all()
        self.venue.troubles = CALM
        try:
            return self._judged(drive(self._live(is_last=True)))
        except (VenueUnavailable, RiskHalt):
            for journal in self.old:
                journal.close()
            return dict.fromkeys(NAMES, 0) | {"unrecovered": 1}

    def step(self, name: str) -> None:
        """Where a process may die or be overtaken."""
        self.steps += 1
        if self.crash_at and self.steps >= self.crash_at[0]:
            self.crash_at.pop(0)
            raise Crash
        if self.twin_at >= 0 and self.steps >= self.twin_at:
            self.twin_at = -1
            self.n_twins += 1
            with suppress(VenueUnavailable, RiskHalt):
                drive(self._twin())

    async def _twin(self) -> None:
        """A second worker that believes the first one dead, in the middle of anything."""
        broker = self._broker("twin")
        await start(broker)
        await self._trade(broker, 2)

    def _broker(self, owner: str) -> DrilledBroker:
        journal = Journal.open(self.path, owner, now_ms=self.clock.now_ms(), reserve_bytes=0)
        self.old.append(journal)
        self.newest = journal.token
        broker = self.make(
            self.venue,
            journal,
            self.rules,
            now_ms=self.clock.now_ms,
            sleep=self.clock.sleep,
            session="drill",
            patience=Patience(settle_ms=8_000),
        )
        broker.step = self.step
        place = self.venue.place.__func__  # type: ignore[attr-defined]

        async def placed(request: Any) -> Any:
            if journal.token != self.newest:
                self.wrong_token.append(request.client_id)
            return await place(self.venue, request)

        broker.venue = _Seen(self.venue, placed)  # type: ignore[assignment]
        return broker

    async def _live(self, *, is_last: bool) -> list[str] | None:
        broker = self._broker("worker")
        try:
            found = await start(broker)
            if is_last:
                if found and not broker.books.halted:
                    broker.halt("; ".join(found))
                self.broker = broker
                self.flat = await flatten(broker, "end of the drill", self.touch, by_venue=bool(found))
                return found
            if found:
                return await self._stop(broker, found)
            await self._trade(broker, self.rng.randint(2, 6))
            if self.kind == "foreign":
                self.venue.foreign_trade(1, 0.0001)
                self.did_foreign = True
            found = await reconcile(broker, "timer")
            if found:
                return await self._stop(broker, found)
            return found
        except Fenced:
            return None

    async def _stop(self, broker: Broker, found: list[str]) -> list[str]:
        self.found_foreign = True
        broker.halt("; ".join(found))
        await flatten(broker, "mismatch", self.touch, by_venue=True)
        return found

    async def _trade(self, broker: Broker, n: int) -> None:
        for _ in range(n):
            self.venue.price *= 1 + self.rng.uniform(-1e-3, 1e-3)
            self.venue.price = round(self.venue.price, 2)
            await self.clock.sleep(self.rng.uniform(0, 800))
            bid, ask = self.touch()
            try:
                if self.rng.random() < 0.25:
                    await self._rest(broker, bid, ask)
                    continue
                target = self.rng.choice((0, 1, 1))
                orders, _ = plan(target, broker.books.holding, bid, ask, self.rules, Account())
                for order in orders:
                    await broker.submit(order, bid, ask, why=f"target {target} #{self.steps}")
                if self.rng.random() < 0.15:
                    await reconcile(broker, "timer")
            except (OrderRefused, VenueUnavailable):
                continue

    async def _rest(self, broker: Broker, bid: float, ask: float) -> None:
        """A post-only order: waited for, replaced, taken back."""
        held = broker.books.holding.lots
        if held:
            order = Order(
                side=-1, qty=held * self.rules.lot, limit=ask, is_post_only=True, is_reduce_only=True
            )
        else:
            order = Order(side=1, qty=0.0001, limit=bid, is_post_only=True)
        sent = await broker.submit(order, bid, ask, why=f"rest #{self.steps}")
        await self.clock.sleep(self.rng.uniform(0, 2_000))
        await broker.poll()
        if not hasattr(sent, "client_id"):
            return
        if self.rng.random() < 0.5:
            limit = round(bid * 0.999 if order.side > 0 else ask * 1.001, 2)
            again = await broker.replace(sent.client_id, limit, bid, ask)
            sent = again if again is not None and hasattr(again, "client_id") else sent
        await broker.cancel(sent.client_id)

    def touch(self) -> tuple[float, float]:
        return self.venue.price, self.venue.price

    # ---- the judgement -----------------------------------------------------------------------------------

    def _judged(self, found: list[str] | None) -> dict[str, int]:
        books, truth = self.broker.books, self.venue.money
        ours = [p for p in self.venue.orders if not p.request.client_id.startswith("hand-")]
        ids = Counter(p.request.client_id for p in ours)
        fills = {fill["trade_id"] for fill in books.fills}
        own_ids = {p.order_id for p in ours}
        mine = {trade.trade_id for trade in self.venue.trades if trade.order_id in own_ids}
        still_open = [p for p in ours if p.status == "open"]
        unknown = [p for p in ours if p.request.client_id not in books.orders]
        is_off = abs(truth.base - books.base) > 1e-7 or abs(truth.quote - books.quote) > 1e-4
        if self.did_foreign:
            is_off = abs(truth.base) >= self.rules.lot and truth.base * self.venue.price >= 5.1
        verify(self.path)
        for journal in self.old:
            journal.close()
        expected = self.did_foreign
        return {
            "duplicate_orders": sum(n - 1 for n in ids.values()) + self._double_entries(ours),
            "untracked_positions": int(bool(still_open or unknown or is_off)),
            "lost_fills": len(mine - fills) + len(fills - mine),
            "twin_trades": len(self.wrong_token),
            "unrecovered": int(not expected and (bool(found) or found is None or not self.flat.is_flat)),
            "foreign_missed": int(expected and not self.found_foreign),
            "crashes": self.n_crashes,
            "twins": self.n_twins,
            "orders": len(ours),
            "fills": len(fills),
        }

    def _double_entries(self, ours: list[Any]) -> int:
        """Entries that came on top of one another: more base bought than one entry and its remainder may hold."""
        held, most = 0.0, 0.0
        sides = {p.order_id: p for p in ours}
        for trade in self.venue.trades:
            if trade.order_id in sides:
                held += trade.side * trade.qty - (trade.fee if trade.fee_in == "base" else 0)
                most = max(most, held)
        return int(most * self.venue.price > 24.0)  # one entry is 19, with the dust of the last at most 20


class _Seen:
    """The venue with its `place` watched."""

    def __init__(self, venue: Scripted, place: Any) -> None:
        self._venue, self.place = venue, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)


def run(n: int, seed: int = 0, *, make: type[DrilledBroker] = DrilledBroker, on_done: Any = None) -> Tally:
    """n schedules, the kinds in turn."""
    tally = Tally()
    rules = load_rules("binance-spot", "BTC-USDT")
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        for i in range(n):
            kind, own = KINDS[i % len(KINDS)], seed + i // len(KINDS)
            tally.add(Schedule(kind, own, Path(folder), rules, make).run(), kind, own)
            if on_done is not None and i % 50 == 0:
                on_done(i, n)
    return tally
