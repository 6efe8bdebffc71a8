"""Who does the work changes nothing about the result."""

from dataclasses import replace

import pytest

from decot.evolve.ledger import Ledger
from decot.evolve.runner import THREAD_VARIABLES, DaskRunner, ProcessRunner
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate

CFG = SearchConfig(generations=2, population=4, trials=2, rungs=(0.5, 1.0), subject="runners")


def head(folder, runner=None, cfg=CFG):
    return search(
        Surrogate(), cfg, Ledger(folder / "l.jsonl", fsync=False), folder / "w", runner=runner
    ).ledger_head


def test_a_process_pool_agrees_with_one_process(tmp_path):
    """Two workers leave the same ledger head as none."""
    with ProcessRunner(2) as pool:
        assert head(tmp_path / "pool", pool) == head(tmp_path / "here")


def threads(_):
    """Of every numeric library in this process."""
    from threadpoolctl import threadpool_info

    return sorted({library["num_threads"] for library in threadpool_info()})


def test_a_worker_of_the_pool_has_one_thread(monkeypatch):
    """Libraries that were loaded before the worker could say so as well: two that wait in a loop for each other take
    the cores of two others."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with ProcessRunner(1) as pool:
        assert list(pool(threads, [0])) == [[1]]


def test_a_search_may_change_runners_on_the_way(tmp_path):
    """Begun here and finished in a pool: still the same."""
    head(tmp_path / "mixed", cfg=replace(CFG, generations=1))
    with ProcessRunner(2) as pool:
        assert head(tmp_path / "mixed", pool) == head(tmp_path / "here")


def test_a_dask_cluster_agrees_with_one_process(tmp_path):
    """A real cluster of two worker processes leaves the same ledger head."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    )  # fmt: skip
    with cluster, distributed.Client(cluster) as client:
        assert len(client.scheduler_info()["workers"]) == 2
        assert head(tmp_path / "dask-run", DaskRunner(client)) == head(tmp_path / "here")
