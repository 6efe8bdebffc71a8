"""Manners that every command has: an example, JSON for machines, exit codes, a way out, no colour where none is wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer
from typer.testing import CliRunner

import decot
from decot.cli import installation
from decot.cli.common import FAILED, INTERRUPTED, USAGE, guarded
from decot.cli.main import app

runner = CliRunner()
SPEAKS_A_PROTOCOL = {"mcp"}
"""whose stdout belongs to somebody else"""


def leaves(group: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what is typed."""
    commands = getattr(group, "commands", {})
    if not commands or getattr(group, "invoke_without_command", False):
        yield name.strip(), group
    for word, command in commands.items():
        yield from leaves(command, f"{name} {word}")


ALL = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("name", [one for one in ALL if one])
def test_every_command_shows_an_example_and_speaks_json(name):
    """`decot NAME --help` has an example that begins with the command itself; `--json` is there."""
    command = ALL[name]
    flags = {flag for option in command.params for flag in option.opts}
    assert "--help" in command.get_help_option_names(click.Context(command))
    if name not in SPEAKS_A_PROTOCOL:
        assert "--json" in flags, f"decot {name} has no --json"
    if not getattr(command, "commands", {}):
        assert f"decot {name.replace('gate judge', 'gate')}" in (command.epilog or ""), (
            f"decot {name} has no example"
        )


def test_exit_codes_are_told_and_are_what_is_told():
    """The numbers of the help are the numbers of the code."""
    said = runner.invoke(app, ["--help"]).output
    assert (FAILED, USAGE, INTERRUPTED) == (1, 2, 130)
    for words in ("0 done", "1 failed", "2", "3 refused", "4", "130"):
        assert words in said
    assert "--install-completion" in said


def test_a_slip_of_the_finger_is_understood():
    """`evalute` is asked back as evaluate, `--profil` as --profile; both are usage errors."""
    for words, meant in ((["evalute"], "evaluate"), (["run", "--profil", "demo"], "--profile")):
        slipped = runner.invoke(app, words)
        assert slipped.exit_code == USAGE
        assert meant in slipped.output


def test_the_version_is_said():
    """One line, one number, nothing loaded."""
    assert runner.invoke(app, ["--version"]).output == f"decot {decot.__version__}\n"


def test_completion_completes():
    """What a shell would be told after `decot ev<TAB>`."""
    asked = {**os.environ, "_DECOT_COMPLETE": "complete_bash", "COMP_WORDS": "decot ev", "COMP_CWORD": "1"}
    done = subprocess.run(["decot"], env=asked, capture_output=True, text=True, check=False,
                          executable=os.path.join(os.path.dirname(sys.executable), "decot"))  # fmt: skip
    assert set(done.stdout.split()) == {"evaluate", "event"}


def test_no_colour_where_none_is_wanted():
    """NO_COLOR, or a pipe: not one escape sequence, neither in help nor in an error."""
    for words in (["--help"], ["evalute"], ["tables", "--home", "nowhere"]):
        done = subprocess.run(
            [sys.executable, "-m", "decot", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert "\x1b" not in done.stdout + done.stderr


def test_an_interrupt_names_what_to_type(monkeypatch, capsys):
    """Ctrl-C: 130, and the very command line that goes on."""
    monkeypatch.setattr(sys, "argv", ["decot", "run", "--tape", "my tapes/btc", "--json"])

    def stopped(listener):
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        guarded(stopped, quiet=True)
    assert ended.value.exit_code == INTERRUPTED
    assert "decot run --tape 'my tapes/btc' --json" in capsys.readouterr().err


def test_the_doctor_finds_this_installation_fit(tmp_path):
    """Everything the tests need is here: nothing is bad, the network is not asked, and it is one JSON list."""
    done = runner.invoke(app, ["doctor", "--home", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["what"]: row for row in json.loads(done.output.splitlines()[-1])}
    assert rows["core"]["state"] == rows["home"]["state"] == "ok"
    assert rows["network"]["said"] == "not asked"


def test_the_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path, monkeypatch):
    """A wrong version, a full disk, a key others may read, a pulled switch, a model folder that is gone."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "signing.key").write_text("x")
    (tmp_path / "keys" / "signing.key").chmod(0o644)
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "KILL").write_text("{}")
    monkeypatch.setenv("DECOT_TEXT_MODEL", str(tmp_path / "gone"))
    monkeypatch.setattr(installation, "LEAST_FREE_GB", 1e9)
    true = installation.metadata.version
    monkeypatch.setattr(
        installation.metadata, "version", lambda name: "0.190.0" if name == "fastapi" else true(name)
    )
    rows = {row["what"]: row for row in installation.examine(tmp_path)}
    assert {name for name, row in rows.items() if row["state"] == "bad"} == {
        "disk",
        "keys",
        "flows",
        "news model",
    }
    assert "fastapi 0.190.0 is here" in rows["flows"]["said"]
    assert "chmod 600" in rows["keys"]["mend"]
    assert rows["kill switch"]["state"] == "note"
    assert all(row["mend"] for row in rows.values() if row["state"] == "bad")


def test_the_doctor_asks_whom_it_is_told_to_ask(monkeypatch):
    """With --network it knocks at the addresses of the environment, and says what to do when nobody opens."""
    import socket

    with socket.socket() as open_door:
        open_door.bind(("127.0.0.1", 0))
        open_door.listen()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{open_door.getsockname()[1]}")
        with socket.socket() as shut:
            shut.bind(("127.0.0.1", 0))
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{shut.getsockname()[1]}")
            told = {one.what: one for one in installation._reached()}
    assert told["reach W&B"].state == "ok"
    assert told["reach hub"].state == "note"
    assert "DECOT_TEXT_MODEL" in told["reach hub"].mend
