"""How a recording went, counted when it has ended. Knows no sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from decot.data.record import RecordReport, SymbolReport
from decot.data.record_commit import Kept

if TYPE_CHECKING:
    from decot.data.record_session import Session


def reported(session: Session, kept: Mapping[str, Kept], seconds: float) -> RecordReport:
    """What the tables hold, what was turned away, and how often the network failed."""
    symbols = []
    for symbol, station in session.stations.items():
        tables, causes = kept[symbol], Counter(kept[symbol].gaps["cause"].to_list())
        missing = int(tables.coverage["n_missing"].sum()) if tables.coverage.height else 0
        known = tables.trades.height + missing
        symbols.append(
            SymbolReport(
                symbol=symbol,
                trades=tables.trades.height,
                filled=station.counts["filled"],
                quotes=tables.book.height,
                missing=missing,
                coverage_pct=100 * tables.trades.height / known if known else 100.0,
                uptime_pct=min(tables.coverage["uptime_pct"].to_list(), default=100.0),
                duplicates=station.ids.duplicates + station.counts["old_quotes"],
                late=station.ids.late,
                gaps=dict(sorted(causes.items())),
                tape=str(tables.tape),
            )
        )
    return RecordReport(
        symbols=tuple(symbols),
        frames=session.intake.counts["frames"],
        refused=dict(session.intake.refused.most_common()),
        reconnects=session.counts["reconnects"],
        stalls=session.counts["stalls"],
        stall_noticed_after=session.stall_noticed_after,
        resyncs=session.counts["resyncs"],
        requests=session.gate.requests,
        requests_refused=session.gate.refused,
        skew_ms=session.skew_ms,
        seconds=seconds,
        refs=tuple(ref for tables in kept.values() for ref in tables.refs),
    )
