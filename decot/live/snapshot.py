"""What a running session shows of itself, and where: whoever watches reads files. Knows no worker and no dashboard.

    HOME/live/KILL                        the kill switch: while this file is there, nobody trades under this home
    HOME/live/<session>/snapshot.json     the newest `Snapshot`, replaced atomically
    HOME/live/<session>/decisions.jsonl   one line per change of mind: t_ms, position, target, price,
                                          sentence_en, sentence_fr, words
    HOME/live/<session>/fills.jsonl       one line per fill: t_ms, client_id, side, qty, price, fee_usdt, is_maker, trade_id
    HOME/live/<session>/events.jsonl      one line per change of state: t_ms, state, why
    HOME/live/<session>/inject.jsonl      written from outside: {"question", "answer", "ticks", "who"} said into the chain

A line is written whole or not at all; a reader ignores a last line without its line feed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from decot import clock

State = Literal["running", "reduced", "flat", "halted"]
"""running; reduced: may leave, may not enter; flat: out, and stays out; halted: stopped, a person must look"""

N_FILLS = 50
"""how many of the last fills a snapshot carries"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of a session; every value is JSON."""

    time_ms: int
    session: str
    symbol: str
    mode: str
    """paper or live"""
    bid: float
    ask: float
    position: int
    """sign of what is held"""
    quantity: float
    """base currency, signed"""
    equity_usdt: float
    day_pnl_usdt: float
    drawdown_bps: float
    """from the session's highest equity"""
    sentence_en: str = ""
    sentence_fr: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    """question → answer, English"""
    attention: Mapping[str, float] = field(default_factory=dict)
    """question → how much of its certainty, 0…1"""
    forecasts: Mapping[str, float] = field(default_factory=dict)
    """target column → forecast"""
    regime: tuple[float, ...] = ()
    """six causal posteriors"""
    risk: Mapping[str, tuple[float, float, bool]] = field(default_factory=dict)
    """name → (value, bound, whether it holds)"""
    state: State = "running"
    why: str = ""
    """of the state, when it is not running"""
    latency_us: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """stage → (p50, p99)"""
    fills: tuple[Mapping[str, Any], ...] = ()
    """the last of them, newest last"""
    n_bars: int = 0
    n_orders: int = 0
    n_fills: int = 0
    venue: str = ""

    def to_json(self) -> str:
        """One line of JSON; what is not a number is null."""
        return json.dumps(_plain(asdict(self)), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Snapshot:
        """The inverse of `to_json`; a null number comes back as NaN."""
        said = json.loads(text)
        for name in ("bid", "ask", "quantity", "equity_usdt", "day_pnl_usdt", "drawdown_bps"):
            said[name] = math.nan if said[name] is None else said[name]
        said["regime"], said["fills"] = tuple(said["regime"]), tuple(said["fills"])
        said["risk"] = {name: tuple(row) for name, row in said["risk"].items()}
        said["latency_us"] = {name: tuple(row) for name, row in said["latency_us"].items()}
        return Snapshot(**said)


class Publisher:
    """Where one session is shown. A disk that takes no more never stops a session from leaving: it is said in `trouble`."""

    def __init__(self, home: Path, session: str) -> None:
        self.trouble = ""
        """why nothing more can be written; empty while all is well"""
        self.folder = live_folder(home) / session
        self.folder.mkdir(parents=True, exist_ok=True)

    def show(self, snapshot: Snapshot) -> None:
        """Replace snapshot.json."""
        try:
            write_whole(self.folder / "snapshot.json", snapshot.to_json() + "\n", sync=False)
        except OSError as error:
            self.trouble = f"the session can no longer show itself: {error.strerror}"

    def note(self, kind: Literal["decisions", "fills", "events"], line: Mapping[str, Any]) -> None:
        """Add a line to decisions.jsonl, fills.jsonl or events.jsonl."""
        text = json.dumps(_plain(dict(line)), separators=(",", ":")) + "\n"
        try:
            handle = os.open(self.folder / f"{kind}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(handle, text.encode())
            finally:
                os.close(handle)
        except OSError as error:
            self.trouble = f"{kind} can no longer be written down: {error.strerror}"


def live_folder(home: Path) -> Path:
    """Where everything live of a home is."""
    return home / "live"


def sessions(home: Path) -> list[str]:
    """Every session that ever showed itself, the newest last."""
    found = live_folder(home).glob("*/snapshot.json")
    return [path.parent.name for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def read_snapshot(home: Path, session: str = "") -> Snapshot | None:
    """The newest snapshot of a session (of the newest session), None when there is none."""
    known = [session] if session else sessions(home)[-1:]
    path = live_folder(home) / known[0] / "snapshot.json" if known else None
    return Snapshot.from_json(path.read_text()) if path is not None and path.is_file() else None


def read_lines(home: Path, session: str, kind: str, last: int = 1_000) -> list[dict[str, Any]]:
    """The last lines of decisions, fills or events of a session; a torn last line is left out."""
    path = live_folder(home) / session / f"{kind}.jsonl"
    if not path.is_file():
        return []
    whole = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in whole[-last:]]


def write_whole(path: Path, text: str, *, sync: bool = True) -> None:
    """All of it or nothing: written beside, flushed, renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{clock.now_us()}")
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    beside.replace(path)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "item"):
        return _plain(value.item())
    return value
