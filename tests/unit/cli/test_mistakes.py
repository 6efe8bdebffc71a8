"""Ten things a person gets wrong: each is told with the thing, the number and the way out; never a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from decot.cli import common
from decot.cli.common import FAILED, USAGE, guarded
from decot.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
runner = CliRunner()


def asked(*words: str, code: int = FAILED, **more) -> str:
    """What the program says to these words, having ended with this code."""
    done = runner.invoke(app, list(words), **more)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output.replace("\n", " ")


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """Every one of these is noticed before Prefect is started, which takes longer than to correct it."""

    def started(word):
        raise AssertionError("an engine was started for a mistake")

    monkeypatch.setattr(common, "registered", started)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--tape", "/no/such/tape"], USAGE, ["/no/such/tape", "--tape"]),
        (["run", "--profile", "dmeo"], FAILED, ["'dmeo'", "did you mean demo?", "research"]),
        (["run", "--profile", "gone.toml"], FAILED, ["gone.toml", "check the path"]),
        (["run", "--world", "crahs"], FAILED, ["'crahs'", "crash"]),
        (["run", "--seed", "seven"], USAGE, ["--seed", "integer"]),
        (["ingest", "--tape", "x", "--world", "crash"], USAGE, ["not both"]),
        (["gate", "20300101"], FAILED, ["20300101", "decot run"]),
        (["compare", "a", "b"], FAILED, ["'a'", "decot run"]),
        (["export", "basee", "--to", "x.csv"], FAILED, ["'basee'", "there are"]),
        (["event", "rumour", "--question", "mood"], FAILED, ["'mood'", "news"]),
        (["event", "rumour", "--for", "soon"], USAGE, ["'soon'", "300s"]),
        (["agents", "promote", "3f2a", "moon"], USAGE, ["'moon'", "paper or live"]),
        (["trade", "3f2a"], FAILED, ["'3f2a'", "decot agents"]),
    ],
)  # fmt: skip
def test_a_slip_is_answered_with_the_way_out(words, code, said, tmp_path, monkeypatch):
    """The word that was wrong, and what would have been right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DECOT_HOME", raising=False)
    answer = asked(*words, code=code)
    for part in said:
        assert part in answer


def test_a_profile_that_is_no_toml_or_has_a_slip_says_where(tmp_path):
    """Line and column of the first, the nearest setting of the second; both name the file."""
    broken, slip = tmp_path / "broken.toml", tmp_path / "slip.toml"
    broken.write_text('[search]\ngenerations = "two\n')
    slip.write_text("[learning]\nenv_stepz = 3\n[serch]\nx = 1\n")
    assert "broken.toml is no TOML" in (answer := asked("run", "--profile", str(broken)))
    assert "line 2" in answer
    answer = asked("run", "--profile", str(slip))
    assert "learning.env_stepz is not a setting (did you mean env_steps?)" in answer
    assert "serch is not a setting (did you mean search?)" in answer


def test_a_home_that_cannot_hold_a_run_is_refused_with_its_number(tmp_path, monkeypatch):
    """A file in the way, a folder without rights, a full disk."""
    file = tmp_path / "file"
    file.write_text("x")
    assert f"{file} is no folder" in asked("run", "--home", str(file / "home"))
    with monkeypatch.context() as without:
        without.setattr(os, "access", lambda path, mode, **how: not mode & os.W_OK)
        assert f"nothing can be written into {tmp_path}" in asked("ingest", "--home", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3_000_000))
    assert "3 MB free, a run wants 100" in asked("enrich", "--home", str(tmp_path))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "permission denied; give it rights"),
        (errno.ENOSPC, "no space left on device; make room"),
        (errno.EROFS, "read-only file system; choose another folder"),
        (errno.ENODEV, "decot doctor"),
    ],
)
def test_what_the_system_refuses_is_told_and_not_dumped(number, said, capsys):
    """The file, the reason, the way out; exit code 1."""

    def refused(listener):
        raise OSError(number, os.strerror(number), "/some/file")

    with pytest.raises(typer.Exit) as ended:
        guarded(refused, quiet=True)
    assert ended.value.exit_code == FAILED
    told = capsys.readouterr().err
    assert "/some/file" in told
    assert said in told


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "train"), ("ccxt.pro", "venues"), ("hmmlearn", "regimes"), ("odd", "demo")],
)
def test_a_package_that_is_missing_names_its_extra(module, extra, capsys):
    """What to type is the smallest extra that brings it."""

    def missing(listener):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(typer.Exit):
        guarded(missing, quiet=True)
    assert f"pip install 'decot[{extra}]'" in capsys.readouterr().err


def test_a_switch_that_was_put_nowhere_is_no_comfort(tmp_path):
    """A home that is a file: an error. A home where nothing ever traded: done, with a doubt about the home."""
    file = tmp_path / "file"
    file.write_text("x")
    assert "a file stands where a folder is meant" in asked("kill", "--home", str(file))
    answer = asked("kill", "--home", str(tmp_path / "empty"), code=0)
    assert "no session has ever shown itself under" in answer
    assert "pulled by" in answer
    assert "no session" not in asked("kill", "--home", str(tmp_path / "empty"), code=0)


def test_an_older_python_is_told_before_anything_is_installed(tmp_path):
    """`make` with Python 3.9: no environment is made, and the version that is needed is said."""
    old = tmp_path / "python3.9"
    as_if = "import sys; sys.version_info = (3, 9, 1); sys.version = '3.9.1 (main)'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "{as_if}" "$@"\n')
    old.chmod(0o755)
    words = [
        "make",
        "--no-print-directory",
        f"VENV={tmp_path}/venv",
        f"PYTHON={old}",
        f"{tmp_path}/venv/bin/python",
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode != 0
    assert "is Python 3.9.1, 3.11 is needed; give another: make PYTHON=python3.11" in done.stderr
    assert not (tmp_path / "venv").exists()
