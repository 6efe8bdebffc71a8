"""What comes in while recording: each frame is read, given to its station, or refused and kept with the reason.

Knows frames and ccxt's structures; opens no socket and writes no table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from decot import clock
from decot.data.record_decode import Change, Event, Quote, Refused, Trade, decode
from decot.data.record_station import Station, unified_quote, unified_trade
from decot.data.record_store import Lines


class Intake:
    """The door of a recording.

    Args:
        stations: by symbol; filled by whoever opens the recording.
        after: called after everything taken in.
    """

    def __init__(
        self,
        folder: Path,
        client: Any,
        stations: Mapping[str, Station],
        *,
        keep_frames: bool,
        after: Callable[[], None],
    ) -> None:
        self.client, self.stations, self.keep_frames, self.after = client, stations, keep_frames, after
        self.frames, self.refused_lines = Lines(folder / "frames"), Lines(folder / "refused")
        self.refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._sums: dict[str, tuple[int, tuple[float, float, float, float]]] = {}

    def on_frame(self, url: str, line: str | bytes) -> bool:
        """Read a frame before ccxt does; True lets ccxt see it too."""
        recv_us = clock.now_us()
        event = decode(line)
        self.counts["frames"] += 1
        refusal = event if isinstance(event, Refused) else self._take(event, recv_us, url)
        if refusal is not None:
            self.refuse(line, refusal.reason, recv_us)
            return False
        if self.keep_frames:
            self.frames.waiting.append(f"{recv_us * 1000} {one_line(line)}")
        self.after()
        return not isinstance(event, Trade | Quote)

    def _take(self, event: Event, recv_us: int, url: str) -> Refused | None:
        if not isinstance(event, Trade | Quote | Change):
            return None
        station = next((s for s in self.stations.values() if s.wire == event.symbol), None)
        if station is None:
            return Refused(f"symbol {event.symbol!r:.40} was not asked for")
        if isinstance(event, Trade):
            refusal, stream = station.on_trade(event, recv_us), "trades"
        elif isinstance(event, Quote):
            refusal, stream = station.on_quote(event, recv_us), "quotes"
        else:
            refusal, stream = station.on_change(event, recv_us), "depth"
        if refusal is None:
            station.address[stream] = url
        return refusal

    def refuse(self, line: str | bytes, reason: str, recv_us: int = 0) -> None:
        """Count a frame nobody should believe and keep it with its reason."""
        self.refused[_kind_of(reason)] += 1
        shown = one_line(line)[:2000]
        self.refused_lines.waiting.append(f"{(recv_us or clock.now_us()) * 1000} {reason} | {shown}")

    def depth_sums(self, symbol: str) -> tuple[float, float, float, float] | None:
        """Quantities of the best 5 and 20 levels as ccxt keeps them; None while its book is not in step."""
        book = self.client.orderbooks.get(symbol)
        nonce = book.get("nonce") if book else None
        if nonce is None or not book["bids"]:
            return None
        known = self._sums.get(symbol)
        if known is None or known[0] != nonce:
            bids, asks = ([level[1] for level in book[side][:20]] for side in ("bids", "asks"))
            known = (nonce, (sum(bids[:5]), sum(asks[:5]), sum(bids), sum(asks)))
            self._sums[symbol] = known
        return known[1]

    def digest(self, station: Station, stream: str, answer: Any) -> None:
        """ccxt's own structures, for venues whose frames we cannot read."""
        recv_us = clock.now_us()
        self.counts["frames"] += 1
        if stream == "trades":
            for raw in answer:
                trade = unified_trade(raw, station.wire)
                refusal = trade if isinstance(trade, Refused) else station.on_trade(trade, recv_us)
                if refusal is not None:
                    self.refuse(str(raw.get("info")), refusal.reason, recv_us)
        elif stream == "quotes" and self.client.has.get("watchBidsAsks"):
            quote = answer[station.symbol]
            sides = (quote["bid"], quote["bidVolume"], quote["ask"], quote["askVolume"])
            self._digest_quote(station, sides, quote.get("timestamp"), recv_us)
        else:
            station.heard[stream] = clock.stopwatch()
            station.heard_us[stream] = recv_us
            if stream == "quotes" and answer["bids"] and answer["asks"]:
                sides = (*answer["bids"][0][:2], *answer["asks"][0][:2])
                self._digest_quote(station, sides, answer.get("timestamp"), recv_us)
        self.after()

    def _digest_quote(self, station: Station, sides: tuple[Any, ...], ts_ms: Any, recv_us: int) -> None:
        quote = unified_quote(sides, station.wire, ts_ms, station.counts["quotes"])
        refusal = quote if isinstance(quote, Refused) else station.on_quote(quote, recv_us)
        if refusal is not None:
            self.refuse(str(sides), refusal.reason, recv_us)


def one_line(line: str | bytes) -> str:
    text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
    return text.replace("\r", " ").replace("\n", " ")


def _kind_of(reason: str) -> str:
    """The reason without its values, so that counts stay few."""
    plain = re.sub(r" = .* is ", " is ", reason)
    return re.sub(r"'[^']*'?|[\d.,]+", "…", plain)[:60].strip()
