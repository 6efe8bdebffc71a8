"""A session as Prometheus reads it: the text format, version 0.0.4. Knows a Snapshot; knows no server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from decot.live.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("running", "reduced", "flat", "halted")
Sample = tuple[Mapping[str, str], float]


def exposition(snapshot: Snapshot | None, *, age_s: float, is_killed: bool) -> str:
    """Every metric of the newest snapshot; without one only `decot_up` 0 and the kill switch.

    Args:
        age_s: seconds since the snapshot was written.
    """
    lines = _metric(
        "decot_up", "gauge", "1 while a session has shown itself", [({}, float(snapshot is not None))]
    )
    lines += _metric("decot_killed", "gauge", "1 while the kill switch is pulled", [({}, float(is_killed))])
    if snapshot is None:
        return "\n".join(lines) + "\n"
    who = {"session": snapshot.session, "symbol": snapshot.symbol, "mode": snapshot.mode}
    single = (
        ("snapshot_age_seconds", "gauge", "seconds since the session last showed itself", age_s),
        (
            "time_seconds",
            "gauge",
            "the session's own clock, seconds since the epoch",
            snapshot.time_ms / 1_000,
        ),
        ("bid", "gauge", "best bid, quote currency", snapshot.bid),
        ("ask", "gauge", "best ask, quote currency", snapshot.ask),
        ("position", "gauge", "sign of what is held", float(snapshot.position)),
        ("quantity", "gauge", "what is held, base currency, signed", snapshot.quantity),
        ("equity_usdt", "gauge", "the account, marked at mid", snapshot.equity_usdt),
        ("day_pnl_usdt", "gauge", "result of the UTC day", snapshot.day_pnl_usdt),
        ("drawdown_bps", "gauge", "below the session's highest equity", snapshot.drawdown_bps),
        ("bars_total", "counter", "bars decided on", float(snapshot.n_bars)),
        ("orders_total", "counter", "orders sent", float(snapshot.n_orders)),
        ("fills_total", "counter", "fills received", float(snapshot.n_fills)),
    )
    for name, kind, told, value in single:
        lines += _metric(f"decot_{name}", kind, told, [(who, value)])
    states = [(who | {"state": state}, float(snapshot.state == state)) for state in STATES]
    lines += _metric("decot_state", "gauge", "1 for the state the session is in", states)
    risk = {name: row for name, row in snapshot.risk.items() if len(row) == 3}
    for place, (name, told) in enumerate(
        (("value", "what a limit measures"), ("bound", "where it is"), ("holds", "1 while it holds"))
    ):
        rows = [
            (who | {"limit": limit}, float(row[place]))
            for limit, row in risk.items()
            if row[place] is not None
        ]
        lines += _metric(f"decot_risk_{name}", "gauge", told, rows)
    spent = [
        (who | {"stage": stage, "quantile": quantile}, value)
        for stage, pair in snapshot.latency_us.items()
        for quantile, value in zip(("0.5", "0.99"), pair)
        if value is not None
    ]
    lines += _metric("decot_latency_microseconds", "gauge", "time a stage takes per bar", spent)
    weights = [
        (who | {"regime": str(k)}, weight) for k, weight in enumerate(snapshot.regime) if weight is not None
    ]
    lines += _metric("decot_regime_posterior", "gauge", "causal posterior of each regime", weights)
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, told: str, samples: Iterable[Sample]) -> list[str]:
    rows = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}", *rows] if rows else []


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
