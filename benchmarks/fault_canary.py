"""The planted key in a session that Prefect looks after, mirrored to W&B: database, logs, artifacts, run files searched.

`python -m benchmarks.fault_canary` reads one order as JSON from stdin and holds that session from a Prefect flow with a
server of its own, whose files lie in the home; then it mirrors the report into an offline W&B run. Key and secret are in
its environment, as they are for a person. The search afterwards also proves that it looked at the right files: a word that
must be there is looked for as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import live_home
from benchmarks.fault_kills import KEY, SECRET, leaks, stage
from decot.data.worlds import WorldConfig, make_world

SESSION = "canary-in-prefect"
PATIENCE_S = 600.0


async def drill(seed: int, say: Callable[[str], None]) -> tuple[int, list[str], dict[str, Any]]:
    """How many files under the home hold key or secret, their names, and what was searched."""
    async with stage(seed) as held:
        say("canary: a home with a certified agent")
        before = make_world(WorldConfig(seed=seed, days=1, seconds_per_day=4_800))
        digest = await asyncio.to_thread(live_home.make, held.home, before, is_watched=False)
        order = {
            "digest": digest, "mode": "live", "home": str(held.home), "session": SESSION, "symbol": "BTC/USD",
            "rules": "binance-spot/BTC-USDT", "venue_port": held.venue.port, "minutes": 2.0, "speed": 20.0, "warm_bars": 5,
        }  # fmt: skip
        said = await _in_a_process(order, {"DECOT_API_KEY": KEY, "DECOT_API_SECRET": SECRET})
        wrong = await _in_a_process(
            order | {"session": "wrong"}, {"DECOT_API_KEY": KEY, "DECOT_API_SECRET": SECRET + "x"}
        )
        searched = _searched(held.home)
        hits = leaks(held.home)
        for code, out, err in (said, wrong):
            hits += [f"the output of the flow ({code})" for word in (KEY, SECRET) if word in out + err]
        say(f"canary: {searched}")
        missing = [name for name, count in searched.items() if not count]
        if missing or said[0] != 0 or wrong[0] == 0:
            hits.append(
                f"nothing was proved: {missing} not there, codes {said[0]}, {wrong[0]}: {said[2][-500:]}"
            )
        return len(hits), hits, searched


async def _in_a_process(order: dict[str, Any], keys: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.fault_canary",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **keys, "PREFECT_LOGGING_LEVEL": "INFO", "PREFECT_LOGGING_TO_API_ENABLED": "true"},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(json.dumps(order).encode()), PATIENCE_S)
    return process.returncode or 0, out.decode(), err.decode()


def _searched(home: Path) -> dict[str, int]:
    """How many rows of Prefect's database and how many W&B files there were to search."""
    found = {"files": sum(path.is_file() for path in home.rglob("*"))}
    found["wandb_files"] = len(list((home / "tracking").rglob("*.wandb")))
    file = home / "prefect" / "prefect.db"
    for table in ("flow_run", "task_run", "log", "artifact"):
        found[f"prefect_{table}"] = 0
        if file.is_file():
            db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            found[f"prefect_{table}"] = int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            db.close()
    with_name = file.read_bytes() if file.is_file() else b""
    found["session_named_in_prefect"] = with_name.count(SESSION.encode())
    return found


def main() -> None:
    """One session in a flow, then its report in W&B."""
    from tasks.environment import prepare

    order = json.loads(sys.stdin.read())
    home = Path(order["home"])
    os.environ.pop("PREFECT_API_URL", None)
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    prepare(home)
    from decot.report.tracking import Tracker, TrackingConfig
    from flows.live import live

    tracker = Tracker(TrackingConfig(close_timeout_s=120.0, stall_s=120.0), home / "tracking")
    tracker.start(order["session"], job_type="live", config=order)
    said = live(**order)
    tracker.log(order["session"], {"bars": said["bars"], "net_bps": said["net_bps"]})
    tracker.finish(order["session"], {"state": said["state"], "why": said["why"]})
    told = tracker.close()
    print(json.dumps({"state": said["state"], "wandb": told.runs, "why": told.why}))


if __name__ == "__main__":
    main()
