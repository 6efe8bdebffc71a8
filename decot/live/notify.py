"""Tell people what a session does, through Apprise (webhook, Telegram, Discord, …). Knows addresses and lines of text.

Nothing waits for it: messages go through a bounded queue to one thread, no more than so many a minute; what is too much is
counted and told in one line later. An address may hold a secret: it is never logged, shown or raised, only its kind is.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from decot import clock
from decot.errors import ConfigError
from decot.live.kill import pulled
from decot.live.snapshot import Snapshot, read_lines, read_snapshot

VARIABLE = "DECOT_NOTIFY"
Kind = Literal["info", "success", "warning", "failure"]
_STOP = ("", "", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyConfig:
    """How much is told."""

    per_minute: int = 6
    queue: int = 100
    """messages that may wait; beyond it the newest is dropped and counted"""
    summary_hour: int = 0
    """UTC hour after which the day before is summed up"""


@dataclass(slots=True)
class Told:
    """What became of the messages."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0


class Notifier:
    """Sends in the background. Raises ConfigError when an address is not one, naming its place and never its text."""

    def __init__(self, addresses: Sequence[str], cfg: NotifyConfig | None = None) -> None:
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log addresses
        self.cfg, self.told = cfg or NotifyConfig(), Told()
        self._apprise = apprise.Apprise()
        faults = [
            f"notify: address {place} ({_kind(address)}) is not understood; see the Apprise documentation for its form"
            for place, address in enumerate(addresses, 1)
            if not self._apprise.add(address)
        ]
        if faults:
            raise ConfigError(faults)
        self._queue: queue.Queue[tuple[str, str, str]] = queue.Queue(self.cfg.queue)
        self._sent_at: deque[float] = deque(maxlen=max(1, self.cfg.per_minute))
        self._thread = threading.Thread(target=self._run, name="decot-notify", daemon=True)
        self._thread.start()

    def tell(self, title: str, body: str, kind: Kind = "info") -> bool:
        """Queue a message; never waits. Whether it was taken."""
        try:
            self._queue.put_nowait((title, body, kind))
        except queue.Full:
            self.told.dropped += 1
            return False
        return True

    def close(self, patience_s: float = 5.0) -> Told:
        """Send what waits, for so long at most, and stop."""
        try:
            self._queue.put(_STOP, timeout=patience_s)
        except queue.Full:
            return self.told
        self._thread.join(patience_s)
        return self.told

    def _run(self) -> None:
        skipped = 0
        while (message := self._queue.get()) != _STOP:
            title, body, kind = message
            if kind not in ("failure", "warning") and self._is_too_much():
                skipped += 1
                self.told.dropped += 1
                continue
            if skipped:
                body, skipped = f"{body}\n({skipped} lesser messages were left out)", 0
            self._sent_at.append(clock.stopwatch())
            is_sent = bool(self._apprise.notify(title=title, body=body, notify_type=kind))
            self.told.sent += is_sent
            self.told.failed += not is_sent

    def _is_too_much(self) -> bool:
        full = len(self._sent_at) == self._sent_at.maxlen
        return full and clock.stopwatch() - self._sent_at[0] < 60.0


def addresses_of(env: Mapping[str, str] = os.environ) -> list[str]:
    """Where to: DECOT_NOTIFY, addresses divided by spaces or line feeds, or @FILE with one a line (0600).

    Raises:
        ConfigError: the file is absent, or others can read it.
    """
    said = env.get(VARIABLE, "").strip()
    if said.startswith("@"):
        file = Path(said[1:])
        if not file.is_file():
            raise ConfigError([f"{VARIABLE}: there is no file {file.name}"])
        if file.stat().st_mode & 0o077:
            raise ConfigError([f"{VARIABLE}: {file.name} can be read by others; chmod 600 it"])
        said = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    return said.split()


def _kind(address: str) -> str:
    kind = address.split("://", 1)[0] if "://" in address else "no scheme"
    return kind if kind.isalnum() and len(kind) < 20 else "no scheme"


@dataclass(slots=True)
class Herald:
    """Follows a session's files and says what is worth a person's time: fills, halts, the switch, a summary per day."""

    home: Path
    tell: Callable[[str, str, Kind], Any]
    session: str = ""
    cfg: NotifyConfig = field(default_factory=NotifyConfig)
    _seen: dict[str, int] = field(default_factory=dict)
    _state: str = ""
    _killed: bool = False
    _day: int = -1
    _last: Snapshot | None = None

    def look(self) -> int:
        """Read what is new and tell it; how many messages. The past of a session found running is not told again."""
        snapshot = read_snapshot(self.home, self.session)
        told = self._switch()
        if snapshot is None:
            return told
        if self._last is None or snapshot.session != self._last.session:
            self._seen = {"fills": len(self._lines(snapshot, "fills"))} if self._last is None else {}
            self._state, self._day = "", _day(snapshot, self.cfg)
        told += self._fills(snapshot) + self._states(snapshot) + self._summary(snapshot)
        self._last = snapshot
        return told

    def _lines(self, snapshot: Snapshot, kind: str) -> list[dict[str, Any]]:
        return read_lines(self.home, snapshot.session, kind, last=1_000_000)

    def _switch(self) -> int:
        said = pulled(self.home)
        if (said is not None) == self._killed:
            return 0
        self._killed = said is not None
        if said is None:
            self.tell("DECoT: the switch was taken away", "Sessions may be started again.", "info")
        else:
            self.tell(
                "DECoT: the kill switch was pulled",
                f"{said.why} ({said.who}, {said.when[:19]} UTC)",
                "failure",
            )
        return 1

    def _fills(self, snapshot: Snapshot) -> int:
        lines = self._lines(snapshot, "fills")
        fresh, self._seen["fills"] = lines[self._seen.get("fills", 0) :], len(lines)
        for fill in fresh:
            side = "bought" if fill["side"] in ("buy", 1) else "sold"
            body = f"{side} {fill['qty']:g} at {fill['price']:,.1f}, fee {fill['fee_usdt']:.5f} USDT"
            self.tell(f"DECoT {snapshot.mode} {snapshot.symbol}: {side}", body, "success")
        return len(fresh)

    def _states(self, snapshot: Snapshot) -> int:
        before, self._state = self._state, snapshot.state
        if snapshot.state == before or (not before and snapshot.state == "running"):
            return 0
        kinds: dict[str, Kind] = {
            "running": "info",
            "reduced": "warning",
            "flat": "warning",
            "halted": "failure",
        }
        title = f"DECoT {snapshot.mode} {snapshot.symbol}: {snapshot.state}"
        self.tell(title, snapshot.why or "no reason was given", kinds.get(snapshot.state, "warning"))
        return 1

    def _summary(self, snapshot: Snapshot) -> int:
        before, self._day = self._day, _day(snapshot, self.cfg)
        last = self._last
        if self._day == before or last is None:
            return 0
        body = (
            f"equity {last.equity_usdt:,.4f} USDT, day {last.day_pnl_usdt:+,.4f}, {last.drawdown_bps:.1f} bps below peak, "
            f"{last.n_fills} fills, {last.n_orders} orders, {last.n_bars:,} bars, state {last.state}"
        )
        self.tell(f"DECoT {last.mode} {last.symbol}: the day", body, "info")
        return 1


def _day(snapshot: Snapshot, cfg: NotifyConfig) -> int:
    return (snapshot.time_ms - cfg.summary_hour * 3_600_000) // 86_400_000


@contextmanager
def heralding(home: Path, session: str, notifier: Notifier, every_s: float = 1.0) -> Iterator[Herald]:
    """A Herald that looks every so often, in a thread of its own, for as long as the block lasts."""
    herald, over = Herald(home, notifier.tell, session, notifier.cfg), threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            try:
                herald.look()
            except (OSError, ValueError, KeyError, TypeError) as odd:
                logging.getLogger(__name__).warning(
                    "a session's files could not be read: %s", type(odd).__name__
                )

    thread = threading.Thread(target=watch, name="decot-herald", daemon=True)
    thread.start()
    try:
        yield herald
    finally:
        over.set()
        thread.join(5)
        notifier.close()
