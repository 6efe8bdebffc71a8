"""The house as a person meets it: `decot up`, the Prefect UI in a browser, a run started there, and what follows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.timetable import INGEST, TIMETABLE

TEXT = "document.body ? document.body.innerText : ''"
PRESS = """(() => {{
  const found = [...document.querySelectorAll('{1} button')].find(one => one.innerText.trim() === '{0}');
  if (!found) return false;
  found.click();
  return true;
}})()"""
TAB = """[...document.querySelectorAll('li.p-tab')].forEach(one => one.innerText.trim() === '{0}' && one.click())"""
FORM = ".p-modal__footer"


def picture(browser, name: str) -> None:
    if "DECOT_PICTURES" in os.environ:
        browser.picture(Path(os.environ["DECOT_PICTURES"]) / f"{name}.png")


def tiny(house, flow: str, name: str) -> dict:
    """A deployment whose runs take seconds: the same flow on an hour and a half of a made-up market."""
    found = house.deployment(flow, name)
    order = {**found["parameters"]["order"], "profile": str(house.home / "tiny.toml")}
    house.ask("PATCH", f"/deployments/{found['id']}", {"parameters": {"order": order}})
    return found


def test_everything_of_the_timetable_is_there(house):
    """Each visit is a deployment with tags, a limit and a schedule that is off; chain and zombie watch stand."""
    for visit, told in zip(TIMETABLE, house.told["deployments"]):
        found = house.deployment(told["flow"], visit.name)
        assert found["work_pool_name"] == "decot"
        assert "decot" in found["tags"]
        assert found["global_concurrency_limit"]["limit"] == 1
        assert [schedule["active"] for schedule in found["schedules"]] == [False] * (visit.cron != "")
    assert house.told["automations"] == [
        "Enrich when ingest has completed",
        "Mark a run that has gone silent as crashed",
    ]
    house.until(
        lambda: house.ask("POST", "/work_pools/decot/workers/filter", {}), 120, "a worker asks for work"
    )


def test_a_person_presses_run_in_the_prefect_ui(house, browser):
    """Run, Quick run, the form, Run: the run gets a name that reads as a sentence, completes, and shows its artifacts."""
    found = tiny(house, "ingest", INGEST)
    browser.size(1440, 1000)
    browser.ask("Page.enable")
    browser.go(f"http://127.0.0.1:{house.port}/deployments/deployment/{found['id']}")
    browser.until(f"({TEXT}).includes({INGEST!r}) && ({TEXT}).includes('Entrypoint')", 60)
    browser.until(PRESS.format("Run", ""), 60)
    browser.until(PRESS.format("Quick run", ""), 60)
    browser.until(f"({TEXT}).includes('A run as a person would say it')", 60)
    picture(browser, "prefect-form")
    browser.until(PRESS.format("Run", FORM), 60)
    run = house.until(lambda: house.runs(found["id"]), 60, "the run the browser asked for")[0]
    house.until(lambda: ended(house, run["id"]), 240, "the run ends")
    browser.go(f"http://127.0.0.1:{house.port}/runs/flow-run/{run['id']}")
    browser.until(f"({TEXT}).includes('bring the tiny world home') && ({TEXT}).includes('Completed')", 60)
    picture(browser, "prefect-run")
    browser.until(f"{TAB.format('Artifacts')}, ({TEXT}).includes('plausibility')", 60)
    picture(browser, "prefect-artifacts")
    card = house.ask("POST", "/artifacts/filter", {"artifacts": {"key": {"any_": ["plausibility"]}}})[0]
    browser.go(f"http://127.0.0.1:{house.port}/artifacts/artifact/{card['id']}")
    browser.until(f"({TEXT}).includes('what was checked on')", 60)
    address = browser.run(f"document.querySelector('a[href^=\"{house.told['reports']}\"]').href")
    browser.go(address)
    browser.until(f"location.href.startsWith({house.told['reports']!r}) && ({TEXT}).includes('its-rows')", 60)
    picture(browser, "prefect-link-followed")
    assert ended(house, run["id"]) == "COMPLETED", house.said()
    assert (house.home / "lake" / "base").is_dir()
    browser.go(f"http://127.0.0.1:{house.port}/deployments")
    browser.until(f"({TEXT}).includes('may an agent trade live')", 60)
    picture(browser, "prefect-deployments")


@pytest.mark.slow
def test_what_has_come_home_is_read_around(house, browser):
    """A completed ingest starts the enrichment by itself, once, on the same order; its regimes are drawn; `-m slow`."""
    found, before = (
        house.deployment("follow", "enrich when ingest has completed"),
        tiny(house, "ingest", INGEST),
    )
    if not house.runs(before["id"]):
        house.ask("POST", f"/deployments/{before['id']}/create_flow_run", {})
    run = house.until(lambda: house.runs(found["id"]), 180, "the automation starts the next deployment")[0]
    assert run["parameters"]["order"]["profile"] == str(house.home / "tiny.toml")
    assert run["created_by"]["type"] == "AUTOMATION"
    house.until(lambda: ended(house, run["id"]), 240, "the enrichment ends")
    assert ended(house, run["id"]) == "COMPLETED", house.said()
    assert house.ask("GET", f"/flow_runs/{run['id']}")["name"] == "the tiny world is home, read around it"
    assert len(house.runs(found["id"])) == 1
    assert (house.home / "lake" / "features").is_dir()
    card = house.ask("POST", "/artifacts/filter", {"artifacts": {"key": {"any_": ["regimes"]}}})[0]
    browser.size(1440, 1000)
    browser.go(f"http://127.0.0.1:{house.port}/artifacts/artifact/{card['id']}")
    browser.until(f"({TEXT}).includes('transitions, dwell times')", 60)
    browser.until(
        "[...document.images].some(one => one.src.startsWith('data:image/svg') && one.naturalWidth > 500)", 30
    )
    picture(browser, "prefect-regimes-seen")


@pytest.mark.slow
def test_deploying_again_changes_nothing_that_somebody_chose(house):
    """The same deployments under the same ids, and a schedule that was switched on in the UI stays on; `-m slow`."""
    told = house.told["deployments"][0]
    before = house.deployment(told["flow"], told["name"])
    switched = f"/deployments/{before['id']}/schedules/{before['schedules'][0]['id']}"
    house.ask("PATCH", switched, {"active": True})
    env = {**os.environ, "PREFECT_API_URL": house.told["api"]}
    words = [sys.executable, "-m", "decot", "deploy", "--home", str(house.home), "--json"]
    again = json.loads(
        subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    assert again["deployments"] == house.told["deployments"]
    assert again["automations"] == house.told["automations"]
    assert [one["active"] for one in house.deployment(told["flow"], told["name"])["schedules"]] == [True]
    now = house.deployment(told["flow"], told["name"])["schedules"][0]["id"]
    house.ask("PATCH", f"/deployments/{before['id']}/schedules/{now}", {"active": False})


@pytest.mark.slow
def test_tidying_forgets_what_has_ended(house):
    """With nothing to keep, runs that ended are gone from the server and the lake is as it was; `-m slow`."""
    found = house.deployment("tidy", "tidy up every Sunday")
    old = house.ask(
        "POST",
        "/flow_runs/",
        {"flow_id": found["flow_id"], "state": {"type": "COMPLETED"}, "name": "long ago"},
    )
    parameters = {"home": str(house.home), "keep_days": 0}
    run = house.ask("POST", f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
    house.until(lambda: ended(house, run["id"]), 180, "the tidying ends")
    assert ended(house, run["id"]) == "COMPLETED", house.said()
    left = {one["id"] for one in house.ask("POST", "/flow_runs/filter", {})}
    assert old["id"] not in left
    assert run["id"] in left


@pytest.mark.slow
def test_a_run_that_has_gone_silent_is_marked_as_crashed(house):
    """One heartbeat and then nothing, from a run nobody carries out: the automation ends it; `-m slow`."""
    again = "from pathlib import Path; from deployments.register import register; register(Path('.'), zombie_after_s=10)"
    env = {**os.environ, "PREFECT_API_URL": house.told["api"], "PREFECT_HOME": str(house.home / "prefect")}
    subprocess.run([sys.executable, "-c", again], env=env, cwd=house.home, check=True, capture_output=True)
    found = house.deployment("tidy", "tidy up every Sunday")
    flow = {"flow_id": found["flow_id"], "state": {"type": "RUNNING"}, "name": "nobody carries it out"}
    run = house.ask("POST", "/flow_runs/", flow)["id"]
    beat = {
        "event": "prefect.flow-run.heartbeat",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {
            "prefect.resource.id": f"prefect.flow-run.{run}",
            "prefect.resource.name": "nobody carries it out",
        },
        "related": [],
        "payload": {},
        "id": str(uuid.uuid4()),
    }
    house.ask("POST", "/events", [beat])
    house.until(lambda: ended(house, run), 90, "the automation ends the silent run")
    assert ended(house, run) == "CRASHED"
    assert "silent for 10 s" in house.ask("GET", f"/flow_runs/{run}")["state"]["message"]


def ended(house, run: str) -> str:
    """How a run ended; nothing while it goes."""
    kind = house.ask("GET", f"/flow_runs/{run}")["state_type"]
    return kind if kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""
