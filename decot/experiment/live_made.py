"""A live session before it starts: how it is asked for, whether the agent may, and what it is put together from.

Every note is verified here and now; code, schema and context must be those the agent was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from decot import clock
from decot.data.exchange.rules import split_symbol
from decot.errors import CertificateRefused
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context, open_context
from decot.experiment.live_report import rows_of
from decot.experiment.mind import mind_of
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import schema_hash
from decot.experiment.trade import feed_of
from decot.gate.approval import read_approval, read_session
from decot.gate.certificate import Certificate, verify
from decot.gate.keys import key_path, open_key
from decot.gate.registry import Entry, Registry
from decot.live.mind import Mind, News, Outside, no_news, nobody_outside
from decot.live.record import read
from decot.live.risk import Limits
from decot.live.snapshot import live_folder
from decot.live.worker import Bar
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules
from decot.model.agent import Agent
from decot.model.checkpoint import load

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
