"""kill −9 anywhere leaves nothing that resuming does not mend."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).with_name("kill_drill.py")


@pytest.mark.parametrize("n_points", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_searches_end_as_the_uninterrupted_one(tmp_path, n_points):
    """Killed at random disk operations and moments, resumed: same front, same ledger head, a ledger that holds."""
    done = subprocess.run(
        [sys.executable, str(DRILL), str(tmp_path), str(n_points), "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["killed"] >= n_points
    assert found["different"] == 0
