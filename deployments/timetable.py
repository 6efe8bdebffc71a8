"""The times of the day. Knows which flow runs when, and nothing of what it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """One line of the timetable, UTC."""

    name: str
    profile: str
    cron: str
    why: str


TIMETABLE = (
    Visit(
        "nightly demo", "demo", "30 3 * * *", "a daily proof that the whole pipeline still reaches a verdict"
    ),
)
"""schedules of the served `decot` flow; they start paused, so that nothing runs unasked"""
