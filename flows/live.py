"""Live: a session is started, stopped and observed from Prefect; it trades in a process of its own, not in here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from decot.experiment.supervise import Wanted
from tasks import live as todo


@flow(name="live", flow_run_name="{digest} {mode}", persist_result=False)
def live(
    digest: str,
    mode: str = "paper",
    home: str = ".decot",
    session: str = "",
    profile: str = "demo",
    symbol: str = "",
    rules: str = "",
    exchange: str = "binance",
    venue_port: int = 0,
    minutes: float = 0.0,
    speed: float = 1.0,
    warm_bars: int = 2_000,
) -> dict[str, Any]:
    """Start a certified agent, watch over it, keep its report. Cancelling this run stops it, out of the market first."""
    wanted = Wanted(
        home=str(Path(home).resolve()), digest=digest, mode=mode, session=session, profile=profile, symbol=symbol,
        rules=rules, exchange=exchange, venue_port=venue_port, minutes=minutes, speed=speed, warm_bars=warm_bars,
    )  # fmt: skip
    return todo.look_after(wanted)


@flow(name="observe a session", flow_run_name="look at {session}", persist_result=False)
def observe(session: str, home: str = ".decot") -> dict[str, Any]:
    """How a session is now."""
    return todo.look(home, session)


@flow(name="stop a session", flow_run_name="stop {session}", persist_result=False)
def stop(session: str, home: str = ".decot") -> dict[str, Any]:
    """Ask a session to leave the market and end."""
    return todo.stop(home, session)


@flow(name="kill switch", flow_run_name="kill: {why}", persist_result=False)
def kill(why: str, home: str = ".decot") -> dict[str, Any]:
    """Stop every session of this home within a second; only a person takes the switch away (decot kill --release)."""
    return todo.pull(home, why)
