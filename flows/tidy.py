"""Tidy: what nobody will ask for any more is forgotten. No table, report, ledger or certificate is ever touched."""

from __future__ import annotations

from prefect import flow

from tasks import tidy as todo


@flow(name="tidy", flow_run_name="forget what ended {keep_days} days ago", persist_result=False)
def tidy(home: str, keep_days: float = 90.0) -> dict[str, int]:
    """Old runs leave Prefect, and files of killed writers leave the lake; how many of each."""
    runs = todo.forget_runs(keep_days)
    files = todo.sweep_lake(home)
    return todo.tell(runs, files, keep_days)
