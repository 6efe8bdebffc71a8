"""Before live a person is asked, in the Prefect UI: the run pauses with the card, and their signed word opens the way."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from decot import clock
from decot.errors import CertificateRefused, RegistryRefused
from decot.experiment import stages
from decot.experiment.place import Place
from decot.gate.approval import read_approval, read_session, sign_session
from decot.gate.keys import key_path, open_key, signing_key

FIGURES = {
    "bars": 1_800,
    "fills": 24,
    "net_usdt": 0.37,
    "net_bps": 195.3,
    "capital_usdt": 19.0,
    "refused_orders": 0,
    "replay": {
        "n_decisions": 1_800,
        "n_same": 1_800,
        "n_fills": 24,
        "n_simulated": 24,
        "n_matched": 24,
        "equity_error_usdt": 0.0,
        "n_bars": 1_800,
        "covers_all": True,
    },
}


@pytest.fixture(scope="module")
def prefect_server():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture
def on_paper(certified):
    """The certified agent after a signed paper session."""
    home, registry, entry = certified
    now = clock.now()
    key, expires = signing_key(key_path(home.path), now)
    trusted = [key.public_key()]
    serial = stages.verified(Place(home.path), entry.digest)[1].serial
    registry.promote(entry.digest, "certified", now=now, why="…", trusted=trusted)
    path = registry.session_of(entry.digest)
    sign_session(
        path, digest=entry.digest, certificate=serial, figures=FIGURES, key=key, now=now, key_expires=expires
    )
    registry.promote(entry.digest, "paper", now=now, why="…", trusted=trusted)
    return home, registry, entry


def ask_and_answer(home: str, digest: str, answer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Start the flow, wait until it is paused, answer through the API; its result and what was shown."""
    from flows.promote import approve

    told: dict[str, Any] = {}

    def person() -> None:
        told["shown"] = asyncio.run(_answer(answer))

    thread = threading.Thread(target=person)
    thread.start()
    found = approve(home, digest, patience_s=120, poll_s=1)
    thread.join(60)
    return found, told["shown"]


async def _shown(client: Any, run: Any) -> str | None:
    """What the paused run asks; Prefect says that it is paused a moment before it writes down why and what for."""
    from prefect.exceptions import PrefectHTTPStatusError

    keyset = run.state.state_details.run_input_keyset
    try:
        await client.read_flow_run_input(run.id, keyset["schema"])
        return str(await client.read_flow_run_input(run.id, keyset["description"]))
    except PrefectHTTPStatusError as early:
        if early.response.status_code != 404:
            raise
        return None


async def _answer(answer: dict[str, Any]) -> str:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    paused = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
    async with get_client() as client:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            runs = await client.read_flow_runs(flow_run_filter=paused)
            if runs and (shown := await _shown(client, runs[0])) is not None:
                await client.resume_flow_run(runs[0].id, run_input=answer)
                return shown
            await asyncio.sleep(0.3)
    raise AssertionError("nobody was asked")


def test_a_person_opens_the_way_to_live(prefect_server, on_paper):
    """The card and the session are in front of the person; name and reason are signed; the stage is live."""
    home, registry, entry = on_paper
    said = {"decision": "approve", "approved_by": "Ada", "reason": "small, watched, reversible"}
    found, shown = ask_and_answer(str(home.path), entry.digest, said)
    assert found["stage"] == "live"
    assert "1,800 bars" in shown
    assert "capital" in shown
    assert registry.get(entry.digest).stage == "live"
    assert "Ada: small, watched" in registry.get(entry.digest).history[-1]["why"]
    trusted, now = [open_key(key_path(home.path)).public_key()], clock.now()
    session = read_session(registry.session_of(entry.digest), entry.digest, trusted=trusted, now=now)
    note = read_approval(
        registry.approval_of(entry.digest),
        entry.digest,
        session=session,
        approved_by="Ada",
        trusted=trusted,
        now=now,
    )
    assert note.body["reason"] == said["reason"]


def test_a_person_says_no(prefect_server, on_paper):
    """Declined: the stage stays, nothing is signed."""
    home, registry, entry = on_paper
    said = {"decision": "decline", "approved_by": "Ada", "reason": "too few fills"}
    found, _ = ask_and_answer(str(home.path), entry.digest, said)
    assert found["stage"] == "paper"
    assert not registry.approval_of(entry.digest).exists()
    assert not registry.certificate_of(entry.digest, "live").exists()


def test_nobody_is_asked_for_an_agent_without_papers(certified):
    """Not on paper, or its paper session edited: refused before a person is bothered."""
    home, registry, entry = certified
    with pytest.raises(RegistryRefused, match="only an agent on paper"):
        stages.present(Place(home.path), entry.digest)
    registry.certificate_of(entry.digest).unlink()
    with pytest.raises(CertificateRefused, match="there is no certificate"):
        stages.go_live(Place(home.path), entry.digest, "s", "Ada", "r")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (None, "it has no replay report"),
        ({"n_same": 1_799}, "1 of 1,800 decisions came out otherwise"),
        ({"n_matched": 23}, "of 24 fills 23 are the simulator's"),
        ({"n_simulated": 25}, "which has 25"),
        ({"covers_all": False, "n_decisions": 900, "n_same": 900}, "covers 900 of 1,800 bars"),
        ({"equity_error_usdt": 0.01}, "ends \\+0.010000 USDT away"),
    ],
)
def test_a_paper_session_that_does_not_replay_is_no_ground_for_live(on_paper, change, reason):
    """The report is missing or off: no card is shown, no approval is signed, the reason and the way out are said."""
    home, registry, entry = on_paper
    figures = {**FIGURES, "replay": {**FIGURES["replay"], **change} if change else None}
    now = clock.now()
    key, expires = signing_key(key_path(home.path), now)
    serial = stages.verified(Place(home.path), entry.digest)[1].serial
    path = registry.session_of(entry.digest)
    signed = {"certificate": serial, "figures": figures, "key": key, "now": now, "key_expires": expires}
    note = sign_session(path, digest=entry.digest, **signed)
    for ask in (
        lambda: stages.present(Place(home.path), entry.digest),
        lambda: stages.go_live(Place(home.path), entry.digest, note.serial, "Ada", "she looked"),
    ):
        with pytest.raises(CertificateRefused, match=reason) as refused:
            ask()
        assert "decot agents promote" in str(refused.value)
    assert registry.get(entry.digest).stage == "paper"
    assert not registry.approval_of(entry.digest).exists()


def test_an_edited_paper_session_goes_nowhere(on_paper):
    """A better result written into the signed session: refused."""
    home, registry, entry = on_paper
    path = registry.session_of(entry.digest)
    path.write_text(path.read_text().replace("0.37", "9.37"))
    with pytest.raises(CertificateRefused, match="edited"):
        stages.present(Place(home.path), entry.digest)
