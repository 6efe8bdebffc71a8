"""Who evaluates a population: this process, a pool, or a Dask cluster, its trials plain or as Prefect task runs.

Whoever it is, the ledger head is the same; a crew is therefore no part of a search's identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from decot.evolve.runner import Call, DaskRunner, ProcessRunner, Runner
from decot.evolve.trial import Evaluation, Task
from decot.experiment.config import CrewConfig
from decot.report.progress import say


@task(name="trial", task_run_name="{work.trial_dir}", cache_policy=NO_CACHE, persist_result=False)
def evaluate(call: Call, work: Task) -> Evaluation:
    """One trial of a search, as a Prefect task run."""
    return call(work)


class PrefectDaskRunner:
    """Every trial a Prefect task run on a worker of the cluster; to be called inside a flow or a task."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, call: Call, tasks: Sequence[Task]) -> Iterator[Evaluation]:
        futures = [self.client.submit(evaluate, call, work, pure=False) for work in tasks]
        try:
            for future in futures:
                yield future.result()
        finally:
            self.client.cancel(futures)


@contextmanager
def crew(cfg: CrewConfig, folder: str = "") -> Iterator[Runner | None]:
    """The runner a profile asks for, closed with the `with` block; None is this process.

    Args:
        folder: where workers of a cluster of our own spill; anywhere when empty.
    """
    with ExitStack() as open_things:
        if cfg.runner == "here":
            yield None
        elif cfg.runner == "processes":
            yield open_things.enter_context(ProcessRunner(cfg.workers))
        else:
            client = _client(cfg, folder, open_things)
            yield PrefectDaskRunner(client) if cfg.runner == "prefect-dask" else DaskRunner(client)


def _client(cfg: CrewConfig, folder: str, open_things: ExitStack) -> Any:
    import distributed

    where: Any = cfg.scheduler
    if not cfg.scheduler:
        say("train", 0, 0, f"starting {cfg.workers} Dask workers")
        where = distributed.LocalCluster(
            n_workers=cfg.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=folder or None,
        )
        open_things.enter_context(where)
    if cfg.runner == "dask":
        return open_things.enter_context(distributed.Client(where))
    from prefect_dask.client import PrefectDaskClient

    return open_things.enter_context(PrefectDaskClient(where))
