"""The command line: what it says, how it fails, what it does not load."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from decot.cli.flows import EXIT
from decot.cli.main import app

runner = CliRunner()


def test_help_teaches_every_command():
    """Each command has a sentence and an example."""
    whole = runner.invoke(app, ["--help"]).output
    for command in ("run", "ingest", "enrich", "doctor", "tables", "trade", "agents", "up", "ledger"):
        assert command in whole
    assert "Example" in runner.invoke(app, ["run", "--help"]).output


def test_help_loads_nothing_heavy():
    """`decot --help` must be quick: none of the engines is imported."""
    code = (
        "import sys; sys.argv=['decot','--help']\n"
        "from decot.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy={'torch','prefect','transformers','great_expectations','polars','numpy','wandb','ccxt'}\n"
        "sys.stderr.write(','.join(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_verdict_is_the_exit_code():
    """0 promoted, 3 refused, 4 insufficient evidence: what a script can act on."""
    assert EXIT == {"promoted": 0, "refused": 3, "insufficient_evidence": 4}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--world", "no-edge", "--tape", "x"], "one source"),
        (["ingest", "--tape", "no/such/tape"], "no such file"),
    ],
)
def test_a_wrong_order_is_a_usage_error(words, said):
    """Two sources, or a tape that is not there: exit code 2 and a sentence."""
    result = runner.invoke(app, words)
    assert result.exit_code == 2
    assert said in result.output


def test_an_empty_lake_says_so(tmp_path):
    """Nothing stored is an answer, not an error."""
    result = runner.invoke(app, ["tables", "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert "empty" in result.output


def test_the_doctor_knows_who_cannot_trade():
    """With 19 USDT the USD-M BTC contract (100 USDT minimum) is out of reach, Binance spot is not."""
    result = runner.invoke(app, ["doctor", "--capital", "19"])
    assert result.exit_code == 0, result.output
    lines = {line.split()[1]: line.split()[0] for line in result.output.splitlines() if "BTC" in line}
    assert lines["binance-usdm"] == "no"
    assert lines["binance-spot"] == "yes"


def test_ctrl_c_inside_compiled_code_is_still_ctrl_c():
    """numba hands an interrupt on as a SystemError; the command ends with 130, any other SystemError is raised."""

    from decot.cli.common import INTERRUPTED, guarded

    def torn(listener):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as cause:
            raise SystemError("returned a result with an exception set") from cause

    def broken(listener):
        raise SystemError("something else")

    with pytest.raises(typer.Exit) as ended:
        guarded(torn, quiet=True)
    assert ended.value.exit_code == INTERRUPTED
    with pytest.raises(SystemError):
        guarded(broken, quiet=True)


def test_one_thread_of_linear_algebra_unless_the_user_wants_more(monkeypatch):
    """The command line says so before numpy is loaded; a value that is set already stays."""
    from decot.cli import main as command_line

    monkeypatch.setattr(command_line, "app", lambda: None)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    command_line.main()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("1", "3")
    code = "import sys, decot.cli.main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, (
        "numpy came before the word"
    )
