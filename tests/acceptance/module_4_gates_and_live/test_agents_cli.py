"""`decot agents` and `decot keys` as a person types them: what holds, what is refused, and that nothing skips a stage."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from decot.cli.main import app


@pytest.fixture
def say(certified):
    """Run a command in the home of the certified agent."""
    home, registry, entry = certified

    def run(*words: str):
        return CliRunner().invoke(app, [*words, "--home", str(home.path)])

    return run, registry, entry.digest


def test_agents_are_listed_verified_and_retired(say):
    """The list shows the stage, verify the key and the history, retire asks for a reason and is for good."""
    run, _, digest = say
    assert json.loads(run("agents", "--json").output)[0]["stage"] == "candidate"
    found = json.loads(run("agents", "verify", digest[:10], "--json").output)
    assert found["digest"] == digest
    assert found["history"][0]["stage"] == "candidate"
    assert run("agents", "retire", digest[:10], "--why", " ").exit_code == 1
    assert (
        json.loads(run("agents", "retire", digest[:10], "--why", "old", "--json").output)["stage"]
        == "retired"
    )
    again = run("agents", "retire", digest[:10], "--why", "old")
    assert again.exit_code == 1
    assert "it can become nothing" in again.output


def test_nobody_is_promoted_past_a_stage(say):
    """`certified` is the gate's word, paper wants a certified agent, and there is no option that overrides."""
    run, _, digest = say
    assert run("agents", "promote", digest, "certified").exit_code == 2
    refused = run("agents", "promote", digest, "paper", "--quiet")
    assert refused.exit_code == 1
    assert "only a certified agent goes on paper" in refused.output
    assert run("agents", "promote", digest, "paper", "--force").exit_code == 2


def test_keys_are_listed_rotated_and_revoked(say):
    """One key that signed one certificate; after rotation it no longer signs, after revocation the reason is told."""
    run, _, digest = say
    (key,) = json.loads(run("keys", "list", "--json").output)
    assert (key["current"], key["certificates"], key["revoked"]) == (True, 1, "")
    turned = json.loads(run("keys", "rotate", "--json").output)
    assert turned["old"] == key["id"] != turned["new"]
    assert turned["certificates"] == 1
    assert "signed with key" in run("agents", "verify", digest).output
    gone = json.loads(run("keys", "revoke", turned["new"][:6], "--why", "laptop lost", "--json").output)
    assert gone == {"what": "key", "name": turned["new"], "why": "laptop lost"}
    listed = {row["id"]: row for row in json.loads(run("keys", "list", "--json").output)}
    assert listed[turned["new"]]["revoked"] == "laptop lost"
    assert run("keys", "revoke", "nothing", "--why", "x").exit_code == 1


def test_one_certificate_is_revoked(say):
    """By the agent's digest: the certificate falls, the key stays."""
    run, _, digest = say
    assert run("keys", "revoke", digest[:12], "--why", "fees were wrong").exit_code == 0
    assert "was revoked: fees were wrong" in run("agents", "verify", digest).output
