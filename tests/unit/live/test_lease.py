"""One worker per journal, kept by the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from decot.errors import RiskHalt
from decot.live.lease import Lease


def test_a_twin_is_refused_until_the_first_is_gone(tmp_path):
    """The refusal names the holder; a lease that was given back can be taken."""
    first = Lease(tmp_path / "lease").take("the first")
    with pytest.raises(RiskHalt, match="the first"):
        Lease(tmp_path / "lease").take("twin")
    first.give_back()
    first.give_back()
    assert Lease(tmp_path / "lease").take("twin").is_held


def test_a_killed_holder_leaves_no_lock(tmp_path):
    """The kernel lets go with the process, however it ended."""
    code = (
        "import os, signal, sys; from pathlib import Path; from decot.live.lease import Lease\n"
        "Lease(Path(sys.argv[1])).take('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lease")], check=False)
    assert done.returncode == -9
    assert Lease(tmp_path / "lease").take("next").is_held
