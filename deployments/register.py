"""The timetable, written into a Prefect server: pool, deployments, chain, limits, automations. Starts nothing.

The same call twice leaves the same things behind; what somebody switched on or off in the UI stays so.
"""

from __future__ import annotations

import os
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from deployments.timetable import TIMETABLE, Visit
from tasks.environment import QUIET

POOL = "decot"
HEARTBEAT_S = 30
ZOMBIE = "Mark a run that has gone silent as crashed"
_SAME_ORDER = {
    "order": {
        "__prefect_kind": "json",
        "value": {"__prefect_kind": "jinja", "template": "{{ flow_run.parameters['order'] | tojson }}"},
    }
}
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


def register(
    home: Path, *, limit: int = 1, active: bool = False, pool: str = POOL, zombie_after_s: int = 300
) -> dict[str, Any]:
    """Make the server at PREFECT_API_URL know every visit of the timetable.

    Args:
        home: where runs keep what they leave, on the machine of the worker.
        limit: how many runs of the pool may go at once.
        active: schedules of deployments that are new begin switched on.
        pool: work pool that workers ask; made if it is not there (type process).
        zombie_after_s: a run that has said nothing for so long is marked as crashed; at least 10.
    Returns:
        pool, deployments (name and id) and automations, as they stand on the server now.
    """
    _pool(pool, limit)
    known = {visit.name: str(_deployment(visit, home, pool, active)) for visit in TIMETABLE}
    _zombies(zombie_after_s)
    return {
        "api": os.environ.get("PREFECT_API_URL", ""),
        "pool": pool,
        "limit": limit,
        "deployments": [
            {
                "name": visit.name,
                "flow": _flow(visit).name,
                "id": known[visit.name],
                "cron": visit.cron,
                "after": visit.after,
            }
            for visit in TIMETABLE
        ],
        "automations": _automations(),
    }


def _pool(name: str, limit: int) -> None:
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(
                    name=name,
                    type="process",
                    concurrency_limit=limit,
                    description="Workers that have decot installed; each run is a process of its own.",
                )
            )


def _deployment(visit: Visit, home: Path, pool: str, active: bool) -> Any:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.flows import EntrypointType
    from prefect.schedules import Cron

    flow, by_clock = _flow(visit), visit.cron != ""
    active = active if (before := _was_active(f"{flow.name}/{visit.name}")) is None else before
    wanted = flow.to_deployment(
        name=visit.name,
        description=visit.why,
        parameters=_parameters(visit, home),
        schedule=Cron(visit.cron, timezone="UTC", active=active) if by_clock else None,
        triggers=[_after(visit)] if visit.after else [],
        tags=["decot", *visit.tags],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1,
            collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW if by_clock else ConcurrencyLimitStrategy.ENQUEUE,
        ),
        work_pool_name=pool,
        job_variables={"env": environment()},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )  # fmt: skip
    return wanted.apply()


def _was_active(full_name: str) -> bool | None:
    """Whether somebody has its schedule switched on; None for a deployment the server has never seen."""
    from prefect import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            return any(schedule.active for schedule in client.read_deployment_by_name(full_name).schedules)
        except ObjectNotFound:
            return None


def environment() -> dict[str, str]:
    """What every run is told: call nobody, log for the UI, and say now and then that it is alive."""
    return {
        **QUIET,
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    }


def _flow(visit: Visit) -> Any:
    module, _, name = visit.flow.rpartition(".")
    return getattr(import_module(module), name)


def _parameters(visit: Visit, home: Path) -> dict[str, Any]:
    from decot.experiment.order import Order

    where = str(home.resolve())
    return {"order": Order(profile=visit.profile, home=where).to_dict()} if visit.profile else {"home": where}


def _after(visit: Visit) -> Any:
    from prefect.events import DeploymentEventTrigger

    return DeploymentEventTrigger(
        name=f"{visit.name[:1].upper()}{visit.name[1:]}",
        description=f"A completed run of “{visit.after}” starts “{visit.name}” on the same order.",
        expect={"prefect.flow-run.Completed"},
        match_related={"prefect.resource.role": "deployment", "prefect.resource.name": visit.after},
        for_each={"prefect.resource.id"},  # an event that the server hears twice starts one run
        threshold=1,
        within=timedelta(minutes=5),
        parameters=_SAME_ORDER,
    )


def _zombies(after_s: int) -> None:
    from prefect import get_client
    from prefect.client.schemas.objects import StateType
    from prefect.events import EventTrigger, Posture
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore

    wanted = AutomationCore(
        name=ZOMBIE,
        description=f"No heartbeat for {after_s} s and no end either: the process is gone, whoever watched it too.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=after_s),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"silent for {after_s} s; started again it goes on where it was",
            )
        ],
    )
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(ZOMBIE):
            client.delete_automation(old.id)
        client.create_automation(wanted)


def _automations() -> list[str]:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        return sorted(one.name for one in client.read_automations())
