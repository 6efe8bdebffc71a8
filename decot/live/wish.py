"""A stop that somebody asked for, as a file in the session's folder: HOME/live/<session>/STOP. Knows no process.

A signal reaches only a process that is there and already listens: one that is still starting dies of it, one that is
begun again a moment later never hears of it. A wish that is written down outlives all of them. The worker looks for it
before its first bar and every few milliseconds after; when it has left the market, it takes the wish away.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from decot import clock
from decot.live.snapshot import live_folder, write_whole


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants the session to end, since when and why."""

    when: str
    who: str
    why: str


def paper(home: Path, session: str) -> Path:
    """The file itself."""
    return live_folder(home) / session / "STOP"


def ask(home: Path, session: str, *, who: str, why: str) -> Asked:
    """Want this session to leave the market and end; whoever asked first stays the one who did."""
    before = asked(home, session)
    if before is not None:
        return before
    said = Asked(clock.now().isoformat(), who, why)
    path = paper(home, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(said)) + "\n")
    return said


def asked(home: Path, session: str) -> Asked | None:
    """The wish, None when there is none; a file that cannot be read counts as one."""
    try:
        said = json.loads(paper(home, session).read_text())
        return Asked(str(said["when"]), str(said["who"]), str(said["why"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Asked("", "unknown", "a wish that cannot be read")


def is_asked(home: Path, session: str) -> bool:
    """Cheap enough to ask all the time."""
    return paper(home, session).exists()


def forget(home: Path, session: str) -> bool:
    """Take it away: it was fulfilled, or the session is ordered anew. Whether it was there."""
    try:
        paper(home, session).unlink()
    except FileNotFoundError:
        return False
    return True
