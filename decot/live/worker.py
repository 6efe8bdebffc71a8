"""A session as a process: hear, close bars, decide, act, be stopped. Knows no certificate.

Every bar goes through the very steps of the batch. What may stop it is looked at on every bar and every few
milliseconds between bars: the kill switch, a silent feed, the limits, what the reasoning monitor says, a hand that broke.
"""

from __future__ import annotations

import asyncio
import math
import signal
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decot import clock
from decot.data.bars import BarStream
from decot.data.record_decode import Quote, Trade
from decot.errors import RiskHalt, VenueUnavailable
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live import kill, wish
from decot.live.attention import attention_of
from decot.live.feed import Feed, Pace
from decot.live.hands import Hand
from decot.live.journal import Fenced
from decot.live.reconcile import Flat
from decot.live.record import Recorder, Warm, around_of
from decot.live.risk import Guard, Moment, Verdict, worst
from decot.live.snapshot import N_FILLS, Publisher, Snapshot, State
from decot.live.worker_parts import Ended, MindLike, Timings, WorkerConfig, allowed
from decot.live.worker_view import hear_words, view_of
from decot.model.stream import Step

Array = npt.NDArray[np.float64]
Bar = tuple[int, Array]
Watch = Callable[[Array, Step, float], tuple[State, str]]
"""(columns, decision, mid) → what the reasoning monitor allows, and why"""

BID, ASK, BID_QTY, ASK_QTY = (
    BAR_INPUTS.index(name) for name in ("bid_price", "ask_price", "bid_volume", "ask_volume")
)

MOST_BEHIND_MS = 3_600_000
"""a clock may be set back by so much between two lives; bars up to the last one known are passed over"""


class Worker:
    """One session of one symbol."""

    def __init__(
        self,
        config: WorkerConfig,
        home: Path,
        mind: MindLike,
        hand: Hand,
        feed: Feed,
        pace: Pace,
        guard: Guard,
        *,
        past: Iterable[Bar] = (),
        watch: Watch | None = None,
        delay_ms: Callable[[int], float] | None = None,
        on_bar: Callable[[int], None] | None = None,
    ) -> None:
        self.config, self.home, self.mind, self.hand, self.feed = config, home, mind, hand, feed
        net = getattr(getattr(mind, "agent", None), "net", None)
        self.attend = attention_of(net) if net is not None else None
        self.pace, self.guard, self.watch = pace, guard, watch
        self.delay_ms = delay_ms or (lambda row: config.latency_ms)
        self.on_bar = on_bar or (lambda done: None)
        self.publisher = Publisher(home, config.session)
        self.recorder = Recorder(self.publisher.folder)
        self.timings = Timings()
        self.bars = BarStream(config.clock_ms)
        self.bid = self.ask = math.nan
        self.state: State = "running"
        self.why = ""
        self.n_bars = self.n_fills = 0
        self._past, self._n_seen = past, 0
        self._stopping = asyncio.Event()
        self._leaving = asyncio.Event()
        self._asked: tuple[State, str] | None = None
        self._asked_at = 0.0
        self._must_reconcile = ""
        self.last_fills: deque[dict[str, Any]] = deque(maxlen=N_FILLS)
        self.verdict: Verdict | None = None
        self.step: Any = None
        self.columns: Array = np.zeros(0)
        self._anomaly: tuple[State, str] = ("running", "")
        self._last: list[Any] | None = None
        self._told_at = 0
        hand.on_fill = self._on_fill

    # ---- from open to closed -------------------------------------------------------------------------

    async def run(self) -> Ended:
        """Until it is stopped, by whatever; flat when this returns, or the report says why not.

        Raises:
            RiskHalt: it may not start: the switch is pulled, or an earlier halt was not released.
            VenueUnavailable: the venue does not say what the account holds.
        """
        out = (
            f" (to sell what it may hold: decot leave {self.config.session})"
            if self.config.mode == "live"
            else ""
        )
        if (pulled := kill.pulled(self.home)) is not None:
            raise RiskHalt(
                f"the kill switch was pulled by {pulled.who} ({pulled.why}); look, then: decot kill --release{out}"
            )
        if self.hand.halted:
            raise RiskHalt(
                f"halted before ({self.hand.halted}); look at the account, then start with --release{out}"
            )
        behind_ms = self.recorder.before_ms - self.now_ms()
        if self.pace.runs_by_itself and behind_ms > MOST_BEHIND_MS:  # every bar would count as known
            raise RiskHalt(
                f"{self.config.session}: the clock is {behind_ms / 3.6e6:.1f} h behind the last bar of this session; "
                "mend it, or begin a session of another name"
            )
        self._note_state("running", "started")
        self._warm_up()
        found = await self.hand.open()
        if found:
            return await self._end(
                "halted", "the account is not what the journal says: " + "; ".join(found), True
            )
        self.guard.recall(self.hand.recall("guard"))
        self._look_for_wish()  # before anything is heard: a worker begun again to leave enters nothing
        tasks = [
            asyncio.create_task(work)
            for work in (
                self.feed.run(self),
                self.hand.work(),
                self._look(),
                self._leave(),
                self._keep_time(),
                self._show(),
            )
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            failed = [t.exception() for t in tasks if t.done() and not t.cancelled() and t.exception()]
            if failed and self._asked is None:
                self.stop("halted", f"{type(failed[0]).__name__}: {failed[0]}")
            state, why = self._asked or ("flat", "the feed ended")
            ended = await self._end(state, why, self._must_reconcile == "mismatch")
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            self.recorder.close()
        for error in failed:
            if not isinstance(error, (RiskHalt, VenueUnavailable)) and error is not None:
                raise error
        return ended

    def _warm_up(self) -> None:
        """Read the past without acting; what was seen of it is kept, so that this life can be run again."""
        seen: Warm = []
        for t_ms, values in self._past:
            columns = self.mind.read(t_ms, values)
            self.mind.decide(columns, 0)
            seen.append((t_ms, values, around_of(columns)))
        self._n_seen = len(seen)
        self.recorder.warmed(seen)

    def stop(self, state: State, why: str) -> None:
        """Ask the session to end in this state; the first reason stays."""
        if self._asked is None:
            self._asked, self._asked_at = (state, why), clock.stopwatch()
            self.hand.stop_entries(why)
            self._stopping.set()

    def _look_for_wish(self) -> None:
        if self._asked is None and wish.is_asked(self.home, self.config.session):
            asked = wish.asked(self.home, self.config.session)
            self.stop("flat", f"asked to stop by {asked.who}: {asked.why}" if asked else "asked to stop")

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT end the session gracefully: out of the market, books closed."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stop, "flat", f"asked to stop ({name.name})")

    async def _end(self, state: State, why: str, by_venue: bool) -> Ended:
        began = self._asked_at or clock.stopwatch()
        self.hand.stop_entries(why)
        flat: Flat | None = None
        for _ in range(20):
            try:
                flat = await self.hand.flatten(why, by_venue=by_venue)
                if flat.is_flat:
                    break
            except Fenced as fenced:
                why, state = str(fenced), "halted"
                break
            except (RiskHalt, VenueUnavailable) as error:
                self.publisher.note("events", {"t_ms": self.now_ms(), "state": "halted", "why": str(error)})
            await asyncio.sleep(0.05)
        took = clock.stopwatch() - began
        with suppress(RiskHalt):
            self.hand.remember("guard", self.guard.remembered())
            if state == "halted":
                self.hand.halt(why)
        self._write_last(is_end=True)
        if flat is not None and flat.is_flat:
            wish.forget(self.home, self.config.session)
        self._note_state(state, why, flat=flat, stop_s=took)
        self.publisher.show(self.snapshot())
        return Ended(state, why, flat, took, self.n_bars)

    # ---- what is heard -------------------------------------------------------------------------------

    def on_quote(
        self, ts_us: int, recv_us: int, quote: Quote, sums: tuple[float, float, float, float]
    ) -> None:
        for bar in self.bars.on_book(
            ts_us, recv_us, quote.bid, quote.bid_qty, quote.ask, quote.ask_qty, *sums
        ):
            self._bar(*bar)
        self.bid, self.ask = quote.bid, quote.ask

    def on_trade(self, recv_us: int, trade: Trade) -> None:
        for bar in self.bars.on_trade(trade.ts_us, recv_us, trade.price, trade.quantity, trade.side):
            self._bar(*bar)

    def on_trouble(self, why: str) -> None:
        """The account is compared with the venue before anything enters again."""
        self._must_reconcile = self._must_reconcile or why
        self.hand.stop_entries(f"reconnecting: {why}")
        self.publisher.note("events", {"t_ms": self.now_ms(), "state": self.state, "why": why})

    def _on_fill(self, fill: dict[str, Any]) -> None:
        self.n_fills += 1
        line = {
            "t_ms": fill["time_ms"],
            "client_id": fill["client_id"],
            "side": fill["side"],
            "qty": fill["qty"],
            "price": fill["price"],
            "fee_usdt": float(fill["fee"]) * (float(fill["price"]) if fill["fee_in"] == "base" else 1.0),
            "is_maker": fill["maker"],
            "trade_id": fill["trade_id"],
        }
        self.last_fills.append(line)
        self.publisher.note("fills", line)

    # ---- a bar -----------------------------------------------------------------------------------------

    def _bar(self, t_ms: int, values: Array) -> None:
        """One bar has ended: fills first, then the decision on what it showed."""
        if self._asked is not None or t_ms <= self.recorder.before_ms:  # a clock set back between two lives
            return
        began = clock.stopwatch()
        self.timings.add("bar", max(self.pace.now_us() - t_ms * 1_000, 0))
        bid, ask = float(values[BID]), float(values[ASK])
        self.hand.on_bar(t_ms, bid, ask, float(values[BID_QTY]), float(values[ASK_QTY]))
        columns = self.mind.read(t_ms, values)
        read_at = clock.stopwatch()
        held = self.hand.stands_at
        step = self.mind.decide(columns, held)
        self._note_told(t_ms, step)
        mid = (bid + ask) / 2
        if self.watch is not None:
            self._anomaly = self.watch(columns, step, mid)
        self.timings.add("read", (read_at - began) * 1e6)
        self.timings.add("decide", (clock.stopwatch() - read_at) * 1e6)
        self.columns, self.step, self._n_seen = columns, step, self._n_seen + 1
        state = self._weigh(t_ms, bid, ask)
        target = allowed(int(step.action), held, state)
        if self._n_seen <= self.config.warm_bars:
            target = 0
        delay = self.delay_ms(self.n_bars)
        self.hand.aim(target, bid, ask, delay)
        if target != held:
            self._say(t_ms, mid, held, target)
        self._write_last()  # the bar before, now that this one is decided: a slow disk delays no decision
        equity = self.hand.equity(mid)
        system = [held, int(step.action), target, self.hand.position, self.hand.quantity, equity]
        self._last = [
            t_ms,
            values,
            columns[: len(OUT_NAMES)],
            [*system, self.hand.entry_price, delay],
            around_of(columns),
        ]
        self.n_bars += 1
        self.on_bar(self.n_bars)
        if self.n_bars == self.config.max_bars:
            self.stop("flat", f"{self.n_bars} bars are over")

    def _note_told(self, t_ms: int, step: Any) -> None:
        """What was said into this very decision, so that the session can be run again bit for bit."""
        for event in getattr(step, "events", ()):
            told = {"question": event.question, "answer": event.answer, "ticks": 1, "who": event.who}
            line = {"t_ms": t_ms, "state": self.state, "why": "told from outside"}
            told |= {"row": self.n_bars, "life": self.recorder.life}
            self.publisher.note("events", line | {"told": told})

    def _write_last(self, *, is_end: bool = False) -> None:
        """A bar is written when the next one is decided, the last one when the session has left the market."""
        if self._last is None:
            return
        t_ms, values, kernel, system, around = self._last
        if is_end:
            mid = (float(values[BID]) + float(values[ASK])) / 2
            system[2:7] = [
                0,
                self.hand.position,
                self.hand.quantity,
                self.hand.equity(mid),
                self.hand.entry_price,
            ]
        self.recorder.add(t_ms, values, kernel, tuple(float(value) for value in system), around)
        self._last = None

    def _say(self, t_ms: int, mid: float, held: int, target: int) -> None:
        words = [int(word) for word in self.step.words]
        said = {"t_ms": t_ms, "row": self.n_bars, "price": mid, "position": held, "target": target}
        told = {"sentence_en": self.step.say("en"), "sentence_fr": self.step.say("fr"), "words": words}
        self.publisher.note("decisions", said | told)

    # ---- what may stop it ------------------------------------------------------------------------------

    def _weigh(self, t_ms: int, bid: float, ask: float) -> State:
        mid = (bid + ask) / 2
        equity = self.hand.equity(mid)
        if self.n_bars == 0 and (why := self.guard.admit(equity)):
            self.stop("halted", "; ".join(why))
            return "halted"
        moment = Moment(
            t_ms=t_ms,
            equity_usdt=equity,
            position_usdt=self.hand.quantity * mid,
            bid=bid,
            ask=ask,
            stale_s=self.feed.silent_s,
            skew_ms=self.feed.skew_ms,
            anomaly=self._anomaly[1],
            anomaly_state=self._anomaly[0],
        )
        day = self.guard.day, self.guard.lost_day
        self.verdict = self.guard.weigh(moment)
        if (self.guard.day, self.guard.lost_day) != day:
            self._remember()
        state, why_now = self.verdict.state, self.verdict.why
        if self._must_reconcile:
            state, why_now = worst(state, "reduced"), why_now or f"reconciling after {self._must_reconcile}"
        if state != self.state:
            self._note_state(state, why_now)
            self.hand.stop_entries(why_now)
            if state == "flat" and self.config.mode == "live":
                self._leaving.set()
        if state == "halted":
            self.stop("halted", why_now)
        return state

    def _remember(self) -> None:
        """The day's first equity, the peak and a lost day outlive this process."""
        try:
            self.hand.remember("guard", self.guard.remembered())
        except RiskHalt as halt:
            self.stop("halted", str(halt))

    async def _look(self) -> None:
        """Switch, feed and hand, every few milliseconds."""
        while True:
            await asyncio.sleep(self.config.watch_s)
            if self.pace.runs_by_itself:  # a bar ends with its time, whether or not anything is heard
                for bar in self.bars.advance(self.pace.now_us()):
                    self._bar(*bar)
            if kill.is_pulled(self.home):
                pulled = kill.pulled(self.home)
                self.stop("halted", f"kill switch: {pulled.why if pulled else 'pulled'}")
            self._look_for_wish()
            if self.hand.broken is not None:
                self.stop("halted", str(self.hand.broken))
            if trouble := self.publisher.trouble or self.recorder.trouble:
                self.stop("halted", trouble)
            silent = self.feed.silent_s
            if self.config.quiet_s and self.n_bars and silent > self.config.quiet_s:
                self.stop("flat", f"no quote for {silent:.1f} s: the tape is over")
            if self.n_bars and silent > self.guard.limits.stale_s:
                self._weigh(self.now_ms(), self.bid, self.ask)
            if self.state == "flat" and self.hand.position and self.config.mode == "live":
                self._leaving.set()

    async def _leave(self) -> None:
        """Out of the market whenever the limits say flat, and the venue's word for it; on paper the next bar does it."""
        while True:
            await self._leaving.wait()
            self._leaving.clear()
            with suppress(VenueUnavailable, RiskHalt):
                await self.hand.flatten(self.why)
            await asyncio.sleep(self.config.watch_s)

    async def _keep_time(self) -> None:
        """Reconcile on a timer, and at once after trouble; a mismatch ends the session."""
        last = clock.stopwatch()
        while True:
            await asyncio.sleep(0.1)
            is_due = clock.stopwatch() - last > self.config.reconcile_s
            if not (is_due or self._must_reconcile) or not self.n_bars:
                continue
            why, last = self._must_reconcile or "timer", clock.stopwatch()
            self._remember()
            try:
                found = await self.hand.reconcile(why)
            except VenueUnavailable as away:
                self.hand.stop_entries(str(away))
                self._must_reconcile = self._must_reconcile or "the venue did not answer"
                continue
            if found:
                self._must_reconcile = "mismatch"
                self.stop("halted", "the account is not what the journal says: " + "; ".join(found))
                return
            self._must_reconcile = ""
            if self._asked is None:
                self.hand.stop_entries("" if self.state == "running" else self.why)

    # ---- what is shown ---------------------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(self.config.show_s)
            self._told_at = hear_words(self, self._told_at)
            self.publisher.show(self.snapshot())

    def snapshot(self) -> Snapshot:
        """This moment."""
        return view_of(self)

    def _note_state(
        self, state: State, why: str, *, flat: Flat | None = None, stop_s: float = math.nan
    ) -> None:
        self.state, self.why = state, "" if state == "running" else why
        more = (
            {"is_flat": flat.is_flat, "lots": flat.lots, "left": flat.left, "stop_s": stop_s} if flat else {}
        )
        line = {"t_ms": self.now_ms(), "state": state, "why": why, "life": self.recorder.life}
        self.publisher.note("events", line | more)

    def now_ms(self) -> int:
        return self.pace.now_us() // 1_000
