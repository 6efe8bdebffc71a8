"""What runs when, and after what. Knows which flow runs, and nothing of what it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One line of the timetable: a flow that can be started by hand, by the clock (UTC), or by another one's end."""

    name: str
    """of the deployment, as the Prefect UI shows it"""
    flow: str
    """where the flow is: module and name"""
    why: str
    profile: str = ""
    """of the flow's order; empty for a flow that takes none"""
    cron: str = ""
    """when, UTC; empty: nobody starts it by the clock"""
    after: str = ""
    """name of the visit whose completion starts this one, on the same order"""
    tags: tuple[str, ...] = ()


INGEST = "bring a market home"

TIMETABLE = (
    Visit(
        name="demo every night",
        flow="flows.pipeline.pipeline",
        profile="demo",
        cron="30 3 * * *",
        why="A daily proof that the whole pipeline still reaches a verdict.",
        tags=("demo",),
    ),
    Visit(
        name="research on a recorded market",
        flow="flows.pipeline.pipeline",
        profile="research",
        why="The whole pipeline with a long search. Give `order.tape` the path of a recording the worker can read.",
        tags=("research",),
    ),
    Visit(
        name=INGEST,
        flow="flows.ingest.ingest",
        profile="demo",
        why="Raw data becomes the 41 columns, or is refused. When it has completed, the next deployment reads around it.",
        tags=("data",),
    ),
    Visit(
        name="enrich when ingest has completed",
        flow="flows.follow.follow",
        profile="demo",
        after=INGEST,
        why="Regimes and news join the columns that have just come home, on the very order that brought them.",
        tags=("data",),
    ),
    Visit(
        name="may an agent trade live",
        flow="flows.promote.approve",
        why="Shows the gate card and the paper session, pauses, and waits for a person's name, decision and reason.",
        tags=("approval",),
    ),
    Visit(
        name="trade with a certified agent",
        flow="flows.live.live",
        why="A session, looked after until it ends. Keys come from the worker's environment, never from parameters. "
        "Cancel it: it leaves the market first. It takes one place of the pool while it runs.",
        tags=("live",),
    ),
    Visit(name="how is a session", flow="flows.live.observe", why="How a session is now.", tags=("live",)),
    Visit(
        name="stop a session",
        flow="flows.live.stop",
        why="It leaves the market, closes its books and ends.",
        tags=("live",),
    ),
    Visit(
        name="kill switch",
        flow="flows.live.kill",
        why="Every session of this home halts; only a person takes the switch away. Where a run must wait for a place, "
        "decot kill does the same at once.",
        tags=("live",),
    ),
    Visit(
        name="tidy up every Sunday",
        flow="flows.tidy.tidy",
        cron="0 5 * * 0",
        why="Forgets what Prefect knows of runs that ended long ago, and sweeps up what killed writers left in the lake.",
        tags=("house",),
    ),
)
"""the deployments of a house; every schedule starts paused, so that nothing runs unasked"""
