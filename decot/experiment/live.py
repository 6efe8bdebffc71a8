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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from decot import clock
from decot.data.exchange.rules import split_symbol
from decot.errors import CertificateRefused, ConfigError
from decot.experiment.baseline import baseline_file
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.ears import Ears, headlines_of
from decot.experiment.enrich import Context, open_context
from decot.experiment.live_report import Held, rows_of, told_of
from decot.experiment.mind import Around, mind_of
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import schema_hash
from decot.experiment.trade import feed_of
from decot.gate.approval import read_approval, read_session
from decot.gate.certificate import Certificate, verify
from decot.gate.keys import key_path, open_key
from decot.gate.registry import Entry, Registry
from decot.live.broker import Broker
from decot.live.context_buffer import ContextBuffer, ListeningMind
from decot.live.feed import CcxtFeed, EventPace, Pace, WallPace
from decot.live.hand_live import LiveHand
from decot.live.hand_paper import PaperHand
from decot.live.hands import Hand
from decot.live.journal import Journal
from decot.live.lease import Lease
from decot.live.mind import Mind, News, Outside, no_news, nobody_outside
from decot.live.monitor import Baseline, Monitor, watching
from decot.live.record import read
from decot.live.risk import Guard, Limits
from decot.live.snapshot import live_folder
from decot.live.venue_ccxt import CcxtVenue
from decot.live.worker import Bar, Watch, Worker
from decot.live.worker_parts import Ended, WorkerConfig
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules
from decot.model.agent import Agent
from decot.model.checkpoint import load
from decot.report.progress import Listener, listening, say

WARM_BARS = 2_000
"""bars the mind sees before it may act"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOrder:
    """One session as a person asks for it."""

    digest: str
    mode: str = "paper"
    profile: str = "demo"
    home: str = ".decot"
    symbol: str = ""
    """as the venue writes it; by default the agent's own"""
    venue: str = ""
    """rules as `VENUE/SYMBOL` of the snapshots; by default those the agent was judged with"""
    exchange: str = "binance"
    session: str = ""
    minutes: float = 0.0
    """0: until it is stopped"""
    speed: float = 1.0
    """1 is the true clock; n runs beside a replay at n×; 0 lets the frames move the clock"""
    origin_us: int | None = None
    """what the clock shows at the start, for replays"""
    warm_bars: int = WARM_BARS
    has_depth: bool = True
    has_past: bool = True
    """warm up on the bars of the lake first"""
    quiet_s: float = 0.0
    news: str = ""
    """headlines file that may grow while the session runs; by default the profile's"""
    release: str = ""
    """who lets a halted session trade again"""
    limits: Limits = field(default_factory=Limits)
    on_unwatched: Callable[[str], None] = lambda why: None
    """told, before anything trades, that nobody watches this agent's reasoning"""

    def faults(self) -> list[str]:
        """Everything wrong with it."""
        found = [] if self.mode in ("paper", "live") else [f"mode {self.mode!r} is neither paper nor live"]
        if self.speed < 0 or self.minutes < 0:
            found.append("speed and minutes must not be negative")
        if self.mode == "live" and self.speed == 0:
            found.append("live needs a clock that runs by itself: speed above 0")
        return found


def admitted(place: Place, digest: str, mode: str) -> tuple[Entry, Certificate]:
    """The agent and what admits it to this mode, every note verified here and now.

    Raises:
        RegistryRefused: no such agent.
        CertificateRefused: which note does not hold, and why.
    """
    registry, now = Registry(place.folder("registry")), clock.now()
    trusted = [open_key(key_path(place.home)).public_key()]
    entry = registry.get(digest)
    if entry.stage == "candidate" or entry.stage == "retired":
        raise CertificateRefused(f"{entry.digest[:12]} is {entry.stage}; only a certified agent trades")
    if mode == "live" and entry.stage != "live":
        raise CertificateRefused(
            f"{entry.digest[:12]} is {entry.stage}; live needs a paper session and a person's approval: "
            "decot agents promote"
        )
    certificate = verify(
        registry.certificate_of(entry.digest, mode),
        entry.folder,
        trusted=trusted,
        now=now,
        stage=mode,
        revocations=registry.revocations,
        code=code_version(),
    )
    if mode == "live":
        notes = {"trusted": trusted, "now": now, "revocations": registry.revocations}
        session = read_session(registry.session_of(entry.digest), entry.digest, **notes)  # type: ignore[arg-type]
        if certificate.body["paper"]["certificate"] != session.serial:
            raise CertificateRefused(
                f"{entry.digest[:12]}: its live certificate rests on another paper session"
            )
        who = str(certificate.body["approved_by"])
        approval = registry.approval_of(entry.digest)
        read_approval(approval, entry.digest, session=session, approved_by=who, **notes)  # type: ignore[arg-type]
    return entry, certificate


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
        entry, certificate = admitted(place, order.digest, order.mode)
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


@dataclass(slots=True)
class Made:
    """Everything a session is put together from."""

    experiment: Experiment
    place: Place
    entry: Entry
    manifest: dict[str, Any]
    known: Context
    agent: Agent
    rules: VenueRules
    account: Account
    session: str
    symbol: str
    """as the venue writes it"""
    own: str
    """as the lake does"""
    past: list[Bar]

    @staticmethod
    def of(order: LiveOrder, place: Place, entry: Entry) -> Made:
        """Raises CheckpointRefused or CertificateRefused when code, schema or context are not those it was made with."""
        experiment = Experiment.of(Order(profile=order.profile, home=order.home))
        agent, manifest = load(entry.folder)
        if manifest.get("schema") != schema_hash():
            raise CertificateRefused(
                f"{entry.digest[:12]}: made with another schema than the one here; judge it again"
            )
        experiment = replace(experiment, clock_ms=manifest["clock_ms"])
        known = open_context(place, manifest["context"])
        market = manifest["market"]
        venue, _, symbol = (order.venue or f"{market['venue']}/{market['symbol']}").partition("/")
        own = manifest["data"][0]["symbol"]
        name = order.session or f"{order.mode}-{entry.digest[:8]}"
        made = Made(
            experiment,
            place,
            entry,
            manifest,
            known,
            agent,
            load_rules(venue, symbol),
            Account(capital_usdt=market["capital_usdt"]),
            name,
            order.symbol or "/".join(split_symbol(own)),
            own,
            [],
        )
        before = read(made.folder)
        if len(before):
            made.past = rows_of(before)[-WARM_BARS:]
        elif order.has_past and "bars" in place.lake.tables():
            made.past = feed_of(place.lake.get("bars", symbol=own).tail(WARM_BARS))
        return made

    def make_mind(self, news: News = no_news, outside: Outside = nobody_outside) -> Mind:
        """A fresh mind; without anything around it, unless that is given."""
        return mind_of(self.experiment, self.known, self.agent, self.manifest, news, outside)

    @property
    def folder(self) -> Path:
        """Where the session keeps its journal, its bars and what it shows."""
        return live_folder(self.place.home) / self.session


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
