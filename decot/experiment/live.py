"""Live: a certified artefact on a venue's own feed, on paper or with orders. Joins `live`, `gate` and `market`.

Nothing starts that is not certified for this code and this stage; live needs the live certificate, the signed paper
session it rests on and a person's signed approval of that session. A key that may withdraw is refused, and so is an
account above the cap, or a venue whose steps are not those the agent was judged with.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import CertificateRefused, ConfigError
from decot.experiment.baseline import baseline_file
from decot.experiment.ears import Ears, headlines_of
from decot.experiment.live_made import LiveOrder, Made, admitted
from decot.experiment.live_report import Held, told_of
from decot.experiment.mind import Around
from decot.experiment.place import Place
from decot.live.broker import Broker
from decot.live.context_buffer import ContextBuffer, ListeningMind
from decot.live.feed import CcxtFeed, EventPace, Pace, WallPace
from decot.live.hand_live import LiveHand
from decot.live.hand_paper import PaperHand
from decot.live.hands import Hand
from decot.live.journal import Journal
from decot.live.lease import Lease
from decot.live.monitor import Baseline, Monitor, watching
from decot.live.risk import Guard
from decot.live.snapshot import live_folder, sessions
from decot.live.venue_ccxt import CcxtVenue
from decot.live.worker import Watch, Worker
from decot.live.worker_parts import Ended, WorkerConfig
from decot.market.rules import VenueRules
from decot.report.progress import Listener, listening, say

__all__ = ["LiveOrder", "run"]


def run(
    order: LiveOrder,
    *,
    prepare: Callable[[Any], Any] | None = None,
    key: str = "",
    secret: str = "",
    listener: Listener | None = None,
) -> dict[str, Any]:
    """A whole session, from the certificate to the session table in the lake; blocks.

    Args:
        prepare: turns a ccxt client towards another address (the loopback venue).
        key, secret: of the account, for live; they are given to the client and to nobody else.
    Raises:
        ConfigError, CertificateRefused, RiskHalt, VenueUnavailable: why it did not start.
    """
    if faults := order.faults():
        raise ConfigError(faults)
    with listening(listener):
        place = Place(order.home)
        try:
            entry, certificate = admitted(place, order.digest, order.mode)
        except CertificateRefused as refused:
            raise CertificateRefused(f"{refused}{way_out(order)}") from refused
        made = Made.of(order, place, entry)
        unwatched = unwatched_because(place.home, entry.digest)
        say("monitor", 0, 0, unwatched or "the reasoning is watched")
        if unwatched:
            order.on_unwatched(unwatched)
        with ExitStack() as closing:
            closing.callback(Lease(made.folder / "lease").take(f"decot trade --{order.mode}").give_back)
            around = closing.enter_context(Around(made.experiment, place, made.known))
            ears = closing.enter_context(_ears(order, made, around))
            ended = asyncio.run(_session(order, made, around, prepare, key, secret))
        held = Held(
            session=made.session,
            mode=order.mode,
            own=made.own,
            folder=made.folder,
            certificate=certificate.serial,
            make_mind=made.make_mind,
            rules=made.rules,
            account=made.account,
        )
        told = told_of(made.experiment, place, held, ended)
        servers = [{"known": one.known, "why": one.why} for one in around.servers()]
        outside = {"headlines": ears.n_heard, "trouble": ears.trouble, "servers": servers}
        told |= {"outside": outside, "monitor": unwatched or "watched"}
        return told | {"card": "\n".join([told["card"], *([unwatched] if unwatched else [])])}


def way_out(order: LiveOrder) -> str:
    """What to do about a session that may not go on and may hold something; empty where there is none."""
    home = Path(order.home)
    names = [order.session] if order.session else sessions(home)
    mine = [
        name
        for name in names
        if (live_folder(home) / name / "journal.sqlite").is_file()
        and (order.session or name.startswith(f"live-{order.digest[:8]}"))
    ]
    return f"; if it still holds something: decot leave {mine[-1]}" if mine and order.mode == "live" else ""


def unwatched_because(home: Path, digest: str) -> str:
    """Why nobody would watch the reasoning of this agent, with the way out; empty when somebody does."""
    if baseline_file(home, digest).is_file():
        return ""
    return (
        f"NOT WATCHED: there is no baseline of {digest[:12]}, so nobody notices when its reasoning changes; "
        f"fit one: decot monitor {digest[:12]}"
    )


def _ears(order: LiveOrder, made: Made, around: Around) -> Ears:
    """Headlines of the lake, and of a file that may grow."""
    path = order.news or made.experiment.news.path
    since = made.past[0][0] if made.past else (order.origin_us or clock.now_us()) // 1_000
    return Ears(
        around.hear,
        Path(path) if path else None,
        made.experiment.news,
        since,
        before=headlines_of(made.place, made.own),
    )


async def _session(
    order: LiveOrder,
    made: Made,
    around: Around,
    prepare: Callable[[Any], Any] | None,
    key: str,
    secret: str,
) -> Ended:
    pace: Pace = EventPace() if order.speed == 0 else WallPace(order.speed, order.origin_us)
    guard = Guard(order.limits)
    feed = CcxtFeed(
        made.symbol,
        pace,
        exchange=order.exchange,
        prepare=prepare,
        has_depth=order.has_depth,
        stale_s=order.limits.stale_s,
    )
    journal = Journal.open(
        made.folder / "journal.sqlite", f"decot trade --{order.mode}", now_ms=clock.now_us() // 1_000
    )
    hand: Hand
    venue: CcxtVenue | None = None
    try:
        if order.mode == "paper":
            hand = PaperHand(
                journal,
                made.rules,
                made.account,
                session=made.session,
                now_ms=lambda: pace.now_us() // 1_000,
                touch=lambda: (worker.bid, worker.ask),
            )
        else:
            venue = CcxtVenue(made.symbol, key=key, secret=secret, exchange=order.exchange, prepare=prepare)
            await _check_venue(venue, made.rules)
            broker = Broker(
                venue,
                journal,
                made.rules,
                now_ms=lambda: clock.now_us() // 1_000,
                sleep=_sleep_ms,
                session=made.session,
            )
            hand = LiveHand(
                broker,
                made.account,
                touch=lambda: (worker.bid, worker.ask),
                on_sent=lambda _, refused: guard.sent(pace.now_us() // 1_000, was_refused=refused),
            )
        if order.release:
            hand.release(order.release)
        worker = Worker(
            WorkerConfig(
                session=made.session,
                symbol=made.symbol,
                mode=order.mode,
                venue=made.rules.name,
                clock_ms=made.experiment.clock_ms,
                latency_ms=float(made.manifest["market"]["latency_ms"]),
                warm_bars=order.warm_bars,
                max_bars=round(order.minutes * 60_000 / made.experiment.clock_ms),
                quiet_s=order.quiet_s,
            ),
            made.place.home,
            ListeningMind(made.make_mind(around.news, around.outside), ContextBuffer(made.place.home)),
            hand,
            feed,
            pace,
            guard,
            past=made.past,
            watch=_watch(made),
            on_bar=lambda done: say("trade", done, 0, "bars"),
        )
        worker.stop_on_signals()
        gc.collect()
        gc.freeze()  # what was imported is never garbage: looking it all through takes 0.2 s, in the middle of a decision
        return await worker.run()
    finally:
        gc.unfreeze()
        await feed.close()
        if venue is not None:
            await venue.close()
        journal.close()


async def _sleep_ms(ms: float) -> None:
    await asyncio.sleep(ms / 1_000)


async def _check_venue(venue: CcxtVenue, rules: VenueRules) -> None:
    """Key rights and steps; raises ConfigError with everything that is wrong."""
    await venue.open()
    faults = await venue.check_key() + venue.unlike(rules)
    if faults:
        raise ConfigError(faults)


def _watch(made: Made) -> Watch | None:
    """The reasoning monitor, when a baseline was fitted for this agent (at its promotion, or by `decot monitor`)."""
    path = baseline_file(made.place.home, made.entry.digest)
    if not path.is_file():
        return None
    return watching(Monitor(Baseline.open(path)), made.make_mind().scaler)
