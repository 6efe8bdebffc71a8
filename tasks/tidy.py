"""Tidying as tasks: old runs of Prefect's own, and what killed writers left in the lake. Knows no market."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from prefect import get_client, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from decot import clock
from decot.data.lake import Lake
from decot.data.lake_care import sweep

_ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
_PAGE = 200


@task(name="forget runs", task_run_name="forget runs older than {keep_days} days", retries=0)
def forget_runs(keep_days: float) -> int:
    """Delete flow runs that ended long ago, with their task runs and logs; those still going are left alone.

    Raises:
        ValueError: `keep_days` is negative.
    """
    if keep_days < 0:
        raise ValueError(f"keep_days {keep_days}: give 0 or more")
    old = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ENDED)),
        end_time=FlowRunFilterEndTime(before_=clock.now() - timedelta(days=keep_days)),
    )
    gone = 0
    with get_client(sync_client=True) as client:
        while runs := client.read_flow_runs(flow_run_filter=old, limit=_PAGE):
            for run in runs:
                with suppress(ObjectNotFound):  # somebody else was quicker
                    client.delete_flow_run(run.id)
            gone += len(runs)
    return gone


@task(name="sweep", task_run_name="sweep the lake of {home}", retries=0)
def sweep_lake(home: str) -> int:
    """Delete files that no version of any table names; every version stays readable."""
    root = Path(home) / "lake"
    if not root.is_dir():
        return 0
    lake = Lake(root)
    return sum(sweep(lake, name) for name in lake.tables())


@task(name="tell of tidying", task_run_name="say what is gone", retries=0)
def tell(runs: int, files: int, keep_days: float) -> dict[str, int]:
    """What is gone, for the UI and for machines."""
    said = f"{runs} runs that ended more than {keep_days:g} days ago and {files} files nobody named are gone."
    create_markdown_artifact(said, key="tidied", description="what the tidying took away")
    return {"runs": runs, "files": files}
