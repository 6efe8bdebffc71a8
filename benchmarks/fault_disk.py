"""A worker on a real file system that fills up while it holds something: it must leave, say why, and start again after.

A small tmpfs is mounted for the home where that is allowed; elsewhere the drill says that it was left out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fault_kills import Found, _release, compare, stage
from decot.live.journal import verify

SIZE_MB = 8


def mounted(folder: Path) -> str:
    """Why there is no small file system at this folder; empty when there is."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return "mounting needs root and mount(8)"
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def fill(folder: Path) -> int:
    """Write until the disk takes no more; bytes written. The last pages go one by one."""
    written = 0
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 64):
            try:
                while True:
                    written += file.write(b"\0" * size)
            except OSError:
                continue
    return written


async def drill(n: int, seed: int, found: Found, say: Callable[[str], None]) -> dict[str, Any]:
    """n times: the disk fills while something is held; flat, ended, journal whole, and a start when there is room."""
    took: list[float] = []
    async with stage(seed) as held:
        if why := mounted(held.home):
            say(f"disk drill left out: {why}")
            return {"drills": 0, "left_out": why}
        try:
            for k in range(n):
                took.append(await _once(held, k, found))
                say(f"disk drill {k + 1} of {n}: {took[-1]:.3f} s")
            process = held.start(max_bars=20)
            if not await held.gone(process, 60.0):
                found.unrecovered += 1
                found.notes.append("after the disk drill the last life did not end")
            orders, fills = compare(held, found)
        finally:
            subprocess.run(["umount", "-l", str(held.home)], check=False)
    return {
        "drills": n,
        "orders": orders,
        "fills": fills,
        "file_system": f"tmpfs, {SIZE_MB} MB",
        "flat_max_s": round(max(took), 3),
        "left_out": "",
    }


async def _once(held: Any, k: int, found: Found) -> float:
    process = held.start(eager=0.3)
    holds = await held.until(lambda: held.held() * 90_000 > 5, 120.0)
    began = time.monotonic()
    fill(held.home)
    out = await held.until(lambda: held.held() * 90_000 < 5 and not held.venue.desk.open_orders(), 20.0)
    if out:  # it may trade on until it notices: flat counts once it has ended
        ended = await held.gone(process, 20.0)
        out = ended and held.held() * 90_000 < 5 and not held.venue.desk.open_orders()
    took = time.monotonic() - began
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    (held.home / "filler").unlink()
    if not holds:
        log = held.home / "worker.log"
        said = log.read_text()[-400:] if log.exists() else "nothing was said"
        found.unrecovered += 1
        found.notes.append(f"disk drill {k}: nothing was held ({said})")
        return 99.0
    verify(held.folder / "journal.sqlite")
    if not out:
        found.unrecovered += 1
        found.notes.append(f"disk drill {k}: held {holds}, out {out}, {held.events()[-2:]}")
        return 99.0
    if _is_halted(held):
        _release(held)
    await asyncio.sleep(0)
    return took


def _is_halted(held: Any) -> bool:
    import sqlite3

    db = sqlite3.connect(held.folder / "journal.sqlite")
    rows = db.execute(
        "SELECT kind FROM events WHERE kind IN ('halt', 'release') ORDER BY seq DESC LIMIT 1"
    ).fetchall()
    db.close()
    return bool(rows) and rows[0][0] == "halt"
