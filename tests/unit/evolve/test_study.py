"""A study answers the same to the same seeds, and is rebuilt by adding its trials."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.study import DEFAULT_PARAMS, SAMPLERS, Param, Study
from decot.evolve.surrogate import Surrogate

CFG = SearchConfig(generations=2, population=2, trials=2, subject="storage")


def value(params):
    return -abs(params["learning_rate"] - 2e-3) * 100 + params["clip"]


def asked(study, seeds):
    found = []
    for seed in seeds:
        index, params = study.ask(seed)
        study.tell(index, value(params))
        found.append(params)
    return found


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_the_same_seeds_ask_the_same_questions(sampler):
    """Twice the same answers, and after rebuilding in the middle still the same."""
    whole = asked(Study(DEFAULT_PARAMS, sampler=sampler), range(8))
    assert asked(Study(DEFAULT_PARAMS, sampler=sampler), range(8)) == whole
    rebuilt = Study(DEFAULT_PARAMS, sampler=sampler)
    for params in whole[:5]:
        rebuilt.add(params, value(params))
    assert asked(rebuilt, range(5, 8)) == whole[5:]


def test_enqueued_comes_first_and_a_failure_is_no_evidence():
    """Parents' parameters are asked next, in order; a told None is kept and not modelled; words can be searched."""
    study = Study((*DEFAULT_PARAMS, Param(name="schedule", choices=("cosine", "flat"))))
    known = {p.name: p.low for p in DEFAULT_PARAMS} | {"schedule": "flat"}
    study.enqueue(known)
    index, params = study.ask(1)
    assert params == known
    study.tell(index, None)
    assert study.ask(2)[1]["schedule"] in ("cosine", "flat")
    assert study.n_trials == 2
    with pytest.raises(ConfigError, match="sampler 'luck'"):
        Study(DEFAULT_PARAMS, sampler="luck")


def test_a_child_may_stand_beside_its_parents():
    """With a spread, enqueued numbers move inside their ranges, words stay, and the same seed moves them the same."""

    def asks(spread, seed):
        study = Study((*DEFAULT_PARAMS, Param(name="schedule", choices=("cosine", "flat"))))
        study.enqueue(known, spread, seed)
        return study.ask(1)[1]

    known = {p.name: p.high for p in DEFAULT_PARAMS} | {"schedule": "flat"}
    assert asks(0.0, 3) == known
    assert asks(0.2, 3) == asks(0.2, 3) != asks(0.2, 4)
    found = [asks(0.2, seed) for seed in range(20)]
    assert all(p.low <= one[p.name] <= p.high for one in found for p in DEFAULT_PARAMS)
    assert all(one["schedule"] == "flat" for one in found)
    rates = [one["learning_rate"] for one in found]
    assert min(rates) < 6e-3
    assert 6 <= rates.count(1e-2) <= 18  # half of them would leave the range


def test_what_others_tried_teaches_the_sampler_and_nothing_else():
    """A study that knows where it is good asks there at once; its indices and its size begin at nothing."""
    rng, name = np.random.default_rng(0), "clip"
    tried = [
        (
            {p.name: float(rng.uniform(p.low, p.high)) for p in DEFAULT_PARAMS} | {name: float(clip)},
            -abs(clip - 0.28),
        )
        for clip in rng.uniform(0.1, 0.3, 60)
    ]
    knowing, fresh = [], []
    for seed in range(12):
        study = Study(DEFAULT_PARAMS)
        study.know(tried)
        index, params = study.ask(seed)
        assert index == 0
        study.tell(index, 0.0)
        assert study.n_trials == 1
        knowing.append(abs(params[name] - 0.28))
        fresh.append(abs(Study(DEFAULT_PARAMS).ask(seed)[1][name] - 0.28))
    assert np.mean(knowing) < 0.5 * np.mean(fresh)


@pytest.mark.slow
def test_the_gp_sampler_is_reproducible():
    """Gaussian processes answer the same to the same seeds, too."""
    assert asked(Study(DEFAULT_PARAMS, sampler="gp"), range(6)) == asked(
        Study(DEFAULT_PARAMS, sampler="gp"), range(6)
    )


def mirrored(url, tmp_path):
    """The names and sizes of the studies a search has left in the database, and its head."""
    import optuna

    result = search(
        Surrogate(), replace(CFG, storage=url), Ledger(tmp_path / "l.jsonl", fsync=False), tmp_path / "w"
    )
    studies = optuna.get_all_study_summaries(url)
    return {study.study_name: study.n_trials for study in studies}, result


def without_mirror(tmp_path):
    return search(Surrogate(), CFG, Ledger(tmp_path / "plain.jsonl", fsync=False), tmp_path / "p")


def test_a_database_mirrors_the_studies_and_changes_nothing(tmp_path):
    """SQLite gets one study per individual with all its trials; the ledger head is as without."""
    studies, result = mirrored(f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path)
    assert len(studies) == result.individuals
    assert set(studies.values()) == {2}
    assert result.ledger_head == without_mirror(tmp_path).ledger_head


def test_what_others_tried_is_not_mirrored_twice(tmp_path):
    """A study that knows the generations before shows a dashboard its own trials alone."""
    url, cfg = f"sqlite:///{tmp_path / 'optuna.db'}", replace(CFG, share=True)
    search(Surrogate(), replace(cfg, storage=url), Ledger(tmp_path / "l.jsonl", fsync=False), tmp_path / "w")
    import optuna

    assert {study.n_trials for study in optuna.get_all_study_summaries(url)} == {2}


@pytest.fixture
def postgres(tmp_path):
    """A real server on a loopback port of its own; skipped when PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    found = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin")),
        Path(shutil.which("initdb") or "/none").parent,
    ]
    binaries = [folder for folder in found if (folder / "initdb").exists()]
    if not binaries:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}  # it refuses to run as root
    home = Path("/tmp") / f"decot-pg-{os.getpid()}"
    home.mkdir(mode=0o700)
    if user:
        shutil.chown(home, **user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        make = [binaries[0] / "initdb", "-D", home / "data", "-U", "decot", "-A", "trust", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=home, **user)
        options = [
            "-c",
            f"port={port}",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={home}",
        ]
        server = subprocess.Popen(
            [binaries[0] / "postgres", "-D", home / "data", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, **user,
        )  # fmt: skip
        ready = [binaries[0] / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        for _ in range(60):
            if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                break
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.25)"], check=False)
        yield f"postgresql+psycopg://decot@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # fast: do not wait for the clients' connections
        server.wait(20)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_postgresql_server_mirrors_the_studies(tmp_path, postgres):
    """The same against a real PostgreSQL server, and resuming replaces what a killed search had left there."""
    studies, result = mirrored(postgres, tmp_path)
    assert len(studies) == result.individuals
    assert set(studies.values()) == {2}
    assert result.ledger_head == without_mirror(tmp_path).ledger_head
    (tmp_path / "l.jsonl").unlink()
    (tmp_path / "l.jsonl.head").unlink()
    assert mirrored(postgres, tmp_path)[0] == studies


FLOW = """
from prefect import flow, task

@task
def double(x: int) -> int:
    return 2 * x

@flow(persist_result=False)
def kept_in_postgres() -> int:
    return double(21)

if __name__ == "__main__":
    print(kept_in_postgres())
"""


@pytest.mark.slow
def test_prefect_keeps_its_runs_on_the_same_server(tmp_path, postgres):
    """With Prefect's database on PostgreSQL a flow run is found there afterwards, beside the mirrored studies."""
    psycopg = pytest.importorskip("psycopg")
    pytest.importorskip("prefect")
    plain = postgres.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "create database prefect"
        )  # its own: both number their schemas in a table of one name
    script = tmp_path / "flow.py"
    script.write_text(FLOW)
    env = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": plain.replace("postgresql:", "postgresql+asyncpg:").replace(
            "/postgres", "/prefect"
        ),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=env, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "42"
    studies, _ = mirrored(postgres, tmp_path)
    assert studies
    with psycopg.connect(plain.replace("/postgres", "/prefect")) as connection:
        found = connection.execute("select count(*) from flow_run where state_name = 'Completed'").fetchone()
    assert found == (1,)
