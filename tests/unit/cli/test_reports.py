"""`decot reports` and `decot dashboard` begin a server, or say why not."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from decot.cli.main import app

pytest.importorskip("uvicorn", reason="the extra is not installed: pip install 'decot[dashboard]'")


@pytest.mark.parametrize("command", ["reports", "dashboard"])
def test_a_taken_port_is_named_with_the_way_out(command, tmp_path):
    """Exit code 1, the port, why, and what to type instead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, [command, "--home", str(tmp_path), "--port", str(port)])
    assert done.exit_code == 1
    assert f"port {port} of 127.0.0.1: address already in use" in done.output
    assert f"decot {command} --port N" in done.output
    assert "Traceback" not in done.output
