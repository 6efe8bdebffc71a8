"""What every task shares: when to try again, what to remember, how progress reaches the UI. Knows no trading."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.tasks import Task, exponential_backoff

from decot import clock
from decot.data.quarantine import DECISIONS
from decot.errors import Transient
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.report.progress import Step, current, listening
from tasks.environment import served_at
from tasks.settings import Settings

_EVERY_S = 2.0


def is_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Only what may work later is tried again: a refusal tried twice is still a refusal."""
    return isinstance(state.result(raise_on_failure=False), Transient)


def content_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """The same inputs under the same code give the same key; tapes and profiles count by what is in them."""
    plain = json.dumps(_plain(parameters), sort_keys=True, ensure_ascii=False)
    said = (
        f"{context.task.name}\n{code_version()}\n{plain}\n{_profile(parameters)}\n{_tape_digest(parameters)}\n"
        f"{_decisions(parameters)}"
    )
    return hashlib.sha256(said.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _profile(parameters: dict[str, Any]) -> str:
    order = parameters.get("order")
    return json.dumps(Experiment.of(order).to_dict(), sort_keys=True, default=str) if order else ""


def _tape_digest(parameters: dict[str, Any]) -> str:
    order = parameters.get("order")
    if order is None or not order.tape:
        return ""
    top, news = Path(order.tape), Experiment.of(order).news.path
    files = sorted(top.rglob("*")) if top.is_dir() else [top]
    files += [Path(news)] if news else []
    found = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _decisions(parameters: dict[str, Any]) -> str:
    """What people decided about days in quarantine."""
    order = parameters.get("order")
    path = Path(order.home) / "quarantine" / DECISIONS if order else None
    return path.read_text() if path is not None and path.is_file() else ""


def say_if_kept(task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """When a result was remembered rather than made again, the person is told."""
    if state.name == "Cached":
        sys.stderr.write(f"{task.name}: kept from an earlier run, the inputs and the code are the same\n")


REMEMBERED: dict[str, Any] = {
    "cache_key_fn": content_key,
    "cache_expiration": timedelta(days=30),
    "persist_result": True,
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": is_transient,
    "on_completion": [say_if_kept],
}
"""options of a task whose result depends on its inputs alone"""


@contextmanager
def progress(stage: str) -> Iterator[None]:
    """What the core says about `stage` goes to the person and, at most every two seconds, to the Prefect UI."""
    artifact, outer = _open_artifact(stage), current()
    last = clock.stopwatch()

    def forward(step: Step) -> None:
        nonlocal last
        if outer is not None:
            outer(step)
        if artifact is not None and step.note:
            get_run_logger().info("%s %d/%d  %s", step.stage, step.done, step.total, step.note)
        if artifact is None or not step.total:
            return
        if clock.stopwatch() - last >= _EVERY_S or step.done == step.total:
            last = clock.stopwatch()
            update_progress_artifact(artifact, 100.0 * step.done / step.total)

    with listening(forward):
        yield


def address_of(home: str | Path, page: str | Path) -> str:
    """Where a browser finds a page of this home, or nothing when nobody serves it: http, because a page of Prefect's UI
    cannot open a file.
    """
    top, file = Path(home).resolve(), Path(page).resolve()
    base = Settings().reports_url or served_at(top)
    if not base or not file.is_relative_to(top):
        return ""
    return f"{base.rstrip('/')}/{quote(file.relative_to(top).as_posix())}"


def pointing(home: str | Path, page: str | Path, said: str) -> str:
    """A line of markdown that leads to a page: a link when it is served, else its path and what would serve it."""
    url = address_of(home, page)
    if url:
        return f"[{said}]({url})"
    where = f"`{Path(page).resolve()}` on the machine of the worker"
    return f"{said}: {where}; to a browser it is served by `decot reports --home {Path(home).resolve()}`"


def _open_artifact(stage: str) -> UUID | None:
    if FlowRunContext.get() is None and TaskRunContext.get() is None:
        return None
    return create_progress_artifact(0.0, key=f"progress-{stage}", description=f"how far {stage} is")  # type: ignore[return-value]
