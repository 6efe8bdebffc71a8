"""Who evaluates a batch of tasks: this process, or several. Knows order and workers; knows nothing of a search.

A runner maps a function over tasks and yields the results in the order of the tasks, each as soon as it and those before it
are there. Because everything a task needs travels with it, every runner gives the same results.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any

from decot.evolve.trial import Evaluation, Task

Call = Callable[[Task], Evaluation]
Runner = Callable[[Call, Sequence[Task]], Iterable[Evaluation]]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def in_process(call: Call, tasks: Sequence[Task]) -> Iterator[Evaluation]:
    """One after the other, here."""
    return map(call, tasks)


class ProcessRunner:
    """A pool of fresh processes of one thread each, closed with the `with` block.

    The fitness must be importable (a module's function, or a dataclass that is called).
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, call: Call, tasks: Sequence[Task]) -> Iterator[Evaluation]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread
            )
        return self._pool.map(call, tasks)

    def __enter__(self) -> ProcessRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class DaskRunner:
    """Tasks on a Dask cluster: give the `distributed.Client` of a running one (what starts it lives above)."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, call: Call, tasks: Sequence[Task]) -> Iterator[Evaluation]:
        futures = self.client.map(call, list(tasks), pure=False)
        try:
            for future in futures:
                yield future.result()
        finally:
            self.client.cancel(futures)


def _one_thread() -> None:
    """The variables bind what is loaded from now on; numpy's library is there already and has to be told."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threadpool_limits(1)
