"""MCP servers fill the context columns, and hold nobody longer than their box."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mcp")

from decot.errors import ConfigError
from decot.experiment import listen
from decot.experiment.config import Experiment, load_profile
from decot.experiment.place import Place

ODD = Path(__file__).parents[1] / "context" / "mcp_odd_server.py"


def profile(folder, manner: str, box_s: float, extra: str = "", connect_s: float = 60.0) -> Experiment:
    file = folder / f"{manner}.toml"
    command = [sys.executable, str(ODD), manner, "stdio", "0"]
    file.write_text(
        f"[[mcp.servers]]\ncommand = {command!r}\ntime_box_s = {box_s}\nconnect_s = {connect_s}\n{extra}"
        '[[mcp.servers.columns]]\ncolumn = 1\ntool = "fear"\npath = "index.value"\nscale = 100\n'
        'arguments = {symbol = "BTC"}\n'
    )
    return load_profile(str(file))


def test_a_real_server_over_stdio_fills_its_column(tmp_path):
    """Asked once, kept, and seen by bars that ended after it arrived; earlier bars stay masked."""
    place, experiment = Place(tmp_path), profile(tmp_path, "answer", 60.0)
    ahead = int(time.time() * 1_000) + 120_000
    heard = listen.listen(experiment, place, ahead)
    assert heard.servers[0]["known"], heard.servers
    bars = np.array([1_000, ahead])
    found = listen.columns(experiment, place, bars, ahead)
    assert found["context_1"].tolist() == [0.0, 0.26]
    assert found["context_known"].tolist() == [0.0, 1.0]
    assert heard.digest != listen.listen(experiment, place, 1_000).digest


def test_a_server_that_never_comes_up_holds_the_pipeline_no_longer_than_its_box(tmp_path):
    """A second to start: the answer is back within it and half a second, masked, with the reason written down."""
    import mcp  # noqa: F401  our own import is not the server's time

    place, experiment = Place(tmp_path), profile(tmp_path, "babble", 60.0, connect_s=1.0)
    begun = time.monotonic()
    heard = listen.listen(experiment, place, 2_000_000_000_000)
    assert time.monotonic() - begun < 1.5
    assert not heard.servers[0]["known"]
    assert "not up within 1 s" in heard.servers[0]["why"]
    masked = listen.columns(experiment, place, np.array([1_000, 2_000]), heard.until_ms)
    assert all((column == 0).all() for column in masked.values())


def test_a_hanging_server_is_masked_and_the_others_are_heard(tmp_path):
    """Two servers at once: the one that hangs is masked with its reason, the other fills its column."""
    place, experiment = Place(tmp_path), profile(tmp_path, "answer", 20.0)
    hung = profile(tmp_path, "hang", 0.5)
    own = replace(hung.mcp.servers[0], columns=(replace(hung.mcp.servers[0].columns[0], column=2),))
    both = replace(experiment, mcp=replace(experiment.mcp, servers=(*experiment.mcp.servers, own)))
    heard = listen.listen(both, place, int(time.time() * 1_000) + 120_000)
    assert [one["known"] for one in heard.servers] == [True, False]
    assert "no answer within 0.5 s" in heard.servers[1]["why"]
    found = listen.columns(both, place, np.array([heard.until_ms]), heard.until_ms)
    assert (found["context_1"][0], found["context_2"][0], found["context_known"][0]) == (0.26, 0.0, 1.0)


def test_an_absent_server_is_masked(tmp_path):
    """No such program: masked, nothing raised."""
    file = tmp_path / "absent.toml"
    file.write_text(
        '[[mcp.servers]]\ncommand = ["/nowhere/at/all"]\ntime_box_s = 20\n'
        '[[mcp.servers.columns]]\ncolumn = 0\ntool = "fear"\n'
    )
    heard = listen.listen(load_profile(str(file)), Place(tmp_path), 2_000_000_000_000)
    assert [one["known"] for one in heard.servers] == [False]
    assert "nowhere" in heard.servers[0]["why"]


def test_without_servers_nothing_is_asked_and_nothing_changes(tmp_path):
    """The default profile hears nobody; its digest is empty, so tables stay remembered."""
    heard = listen.listen(Experiment(), Place(tmp_path), 5)
    assert (heard.digest, heard.servers) == ("", ())
    assert listen.columns(Experiment(), Place(tmp_path), np.array([1]), 5) == {}


def test_a_typo_in_a_server_is_named(tmp_path):
    """An unknown setting of a server or a column is refused, not ignored."""
    with pytest.raises(ConfigError, match="mcp"):
        profile(tmp_path, "answer", 1.0, extra="patience = 3\n")
