"""The timetable and its words, without a server; and what `decot up` and `decot deploy` refuse before they start one."""

from __future__ import annotations

import json
import socket
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from decot.cli.main import app
from deployments.register import environment
from deployments.timetable import INGEST, TIMETABLE


def test_every_visit_leads_to_a_flow_and_says_why():
    """Names are unique and fit for an address, flows exist, whoever follows follows somebody, and why is a sentence."""
    names = [visit.name for visit in TIMETABLE]
    assert len(set(names)) == len(names)
    for visit in TIMETABLE:
        module, _, name = visit.flow.rpartition(".")
        assert callable(getattr(import_module(module), name))
        assert not set(visit.name) & set("/%&<>")
        assert visit.after in ("", *names)
        assert visit.why.endswith(".")
        assert not (visit.cron and visit.after)
    assert INGEST in names


def test_a_run_calls_nobody_and_says_that_it_is_alive():
    """Telemetry is off, results are JSON, a heartbeat is set."""
    told = environment()
    assert told["DO_NOT_TRACK"] == "1"
    assert told["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"
    assert 0 < int(told["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) <= 60


def test_a_taken_port_is_named_before_anything_is_started(tmp_path):
    """Exit code 1, the port, and the way out; no server, no note, no log."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(
            app,
            [
                "up",
                "--home",
                str(tmp_path / "h"),
                "--port",
                str(port),
                "--dashboard-port",
                "0",
                "--reports-port",
                "0",
            ],
        )
    assert done.exit_code == 1
    assert f"port {port} of 127.0.0.1 is taken" in done.output
    assert not (tmp_path / "h" / "logs").exists()


@pytest.mark.parametrize(
    ("url", "said"), [("", "set PREFECT_API_URL"), ("http://127.0.0.1:9/api", "no Prefect server answers")]
)
def test_deploying_needs_a_server_that_answers(tmp_path: Path, monkeypatch, url, said):
    """None named, or a dead one: refused with the way out."""
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    done = CliRunner().invoke(app, ["deploy", "--home", str(tmp_path), "--json"])
    assert done.exit_code == 1
    assert said in done.output


def test_the_profiles_of_the_timetable_are_packaged():
    """Every order can be opened by name."""
    from decot.experiment.config import Experiment
    from decot.experiment.order import Order

    for visit in TIMETABLE:
        if visit.profile:
            assert json.dumps(Experiment.of(Order(profile=visit.profile)).to_dict(), default=str)
