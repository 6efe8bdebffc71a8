"""One worker per journal: a lock the kernel keeps, so that it ends with the process that holds it. Knows no orders.

The lock keeps a twin on this machine out for as long as the first one lives, even if that one is stopped or hangs. Where
locks do not hold (some network folders), the fencing token of the journal still does: see `journal.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from decot import clock
from decot.errors import RiskHalt


class Lease:
    """Held from `take` to `give_back`, or until the process is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    def take(self, owner: str) -> Lease:
        """Lock it.

        Raises:
            RiskHalt: another worker holds it; the message says which.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 500).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise RiskHalt(
                f"{self.path.parent.name}: another worker trades here ({holder}); stop it first, or use another home"
            ) from None
        os.ftruncate(handle, 0)
        said = {"pid": os.getpid(), "owner": owner, "since": clock.now().isoformat()}
        os.write(handle, (json.dumps(said) + "\n").encode())
        self._handle = handle
        return self

    @property
    def is_held(self) -> bool:
        return self._handle >= 0

    def give_back(self) -> None:
        """Unlock; twice is once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
