"""What a forge would be told. Nothing here has been run by one; the files are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"


@pytest.fixture
def workflows() -> dict[str, dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="no PyYAML: the workflows were not read")
    return {file.name: yaml.safe_load(file.read_text()) for file in FOLDER.glob("*.yml")}


def faults(plain: dict[str, Any]) -> list[str]:
    """What a reviewer of a workflow objects to."""
    found = [] if plain.get("permissions") == {"contents": "read"} else ["permissions: more than reading"]
    for name, job in plain["jobs"].items():
        found += [] if "timeout-minutes" in job else [f"{name}: may run for ever"]
        found += [] if re.search(r"\d", job["runs-on"]) else [f"{name}: {job['runs-on']} is a moving target"]
        for step in job["steps"]:
            if "uses" in step and not re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", step["uses"]):
                found.append(f"{name}: {step['uses']} is not pinned to a version")
            if step.get("uses", "").startswith("actions/setup-python") and step["with"].get("cache") != "pip":
                found.append(f"{name}: downloads everything anew each time")
    return found


def test_workflows_have_nothing_to_object_to(workflows):
    """Pinned actions, pinned machines, caches, time limits, read-only by default."""
    assert {name: faults(plain) for name, plain in workflows.items()} == dict.fromkeys(workflows, [])


def test_each_module_waits_for_the_one_before(workflows):
    """house, then 1, 2, 3, 4; and each runs one target of the Makefile that exists."""
    jobs = workflows["ci.yml"]["jobs"]
    order = ["house", "module-1", "module-2", "module-3", "module-4"]
    assert list(jobs) == order
    assert [jobs[name].get("needs") for name in order] == [None, *order[:-1]]
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for plain in workflows.values():
        runs = [step["run"] for job in plain["jobs"].values() for step in job["steps"] if "run" in step]
        asked = {
            word
            for run in runs
            for line in re.findall(r"^make (.+)$", run, re.MULTILINE)
            for word in line.split()
        }
        assert asked <= targets


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda job: job.pop("timeout-minutes"), "for ever"),
        (lambda job: job.update({"runs-on": "ubuntu-latest"}), "moving target"),
        (lambda job: job["steps"][0].update(uses="actions/checkout@main"), "not pinned"),
        (lambda job: job["steps"][1]["with"].pop("cache"), "downloads everything"),
    ],
)
def test_a_careless_workflow_is_objected_to(workflows, change, said):
    """Each rule, broken once, is named."""
    plain = workflows["ci.yml"]
    change(plain["jobs"]["module-2"])
    assert any(said in fault for fault in faults(plain))
