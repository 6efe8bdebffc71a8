"""Trade: a certified artefact acts on paper, bar by bar, on the desk the simulator itself runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from decot import clock
from decot.errors import CertificateRefused
from decot.experiment.again import Compared, Life, lives_again
from decot.experiment.code import code_version
from decot.experiment.config import Experiment, SessionConfig
from decot.experiment.enrich import Context, open_context, surroundings
from decot.experiment.mind import mind_of, recorded_outside
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.features.kernel import BAR_INPUTS
from decot.features.table import base_table
from decot.gate.certificate import verify
from decot.gate.keys import key_path, open_key
from decot.gate.registry import Registry
from decot.live.mind import Mind, News, Outside, no_news
from decot.live.record import Recorded
from decot.live.session import Bar, Log, run_session
from decot.market.account import Account
from decot.market.desk import Desk
from decot.market.rules import VenueRules, load_rules
from decot.model.checkpoint import load, read
from decot.report.progress import Listener, listening, say
from schemas.columns import BASE_COLUMNS, TARGETS, TEXT, cast_to_schema
from schemas.ref import Ref

_WARM_BARS = 2_000
"""bars the mind sees before it may act"""


@dataclass(frozen=True, slots=True)
class Session:
    """What a paper session leaves behind."""

    table: pl.DataFrame
    """the 41 columns, system columns filled"""
    log: Log
    capital_usdt: float
    certificate: str
    replay: Compared
    """the same bars through a fresh mind and through the simulator: the sim-to-paper report"""

    def summary(self) -> dict[str, Any]:
        """Figures and sentences, for people and machines."""
        equity = self.log.equity_usdt
        return {
            "bars": len(equity),
            "fills": len(self.log.fills),
            "net_usdt": round(equity[-1] - self.capital_usdt, 6),
            "net_bps": round((equity[-1] / self.capital_usdt - 1) * 1e4, 3),
            "capital_usdt": self.capital_usdt,
            "refused_orders": sum(self.log.refused.values()),
            "certificate": self.certificate,
            "replay": self.replay.to_dict(),
            "sentences": [
                {"t": clock.iso(said.t_ms), "row": said.row, "price": said.price, "target": said.target,
                 "sentence": said.sentence}
                for said in self.log.said
            ],
            "card": self.card(),
        }  # fmt: skip

    def card(self) -> str:
        """The session in a few lines, with the first sentences."""
        equity = self.log.equity_usdt
        net = equity[-1] - self.capital_usdt
        head = (
            f"paper session: {len(equity):,} bars, {len(self.log.fills)} fills, {net:+.4f} USDT "
            f"({net / self.capital_usdt * 1e4:+.1f} bps) on {self.capital_usdt:g}"
        )
        replay = (
            f"replay: {self.replay.n_same:,} of {self.replay.n_decisions:,} decisions the same, "
            f"{self.replay.n_matched} of {self.replay.n_fills} fills as simulated"
        )
        said = [f"  {clock.iso(one.t_ms)[11:19]}  {one.sentence}" for one in self.log.said[:5]]
        return "\n".join([head, replay, *said])


def rehearse(
    experiment: Experiment,
    place: Place,
    bars: Ref,
    headlines: pl.DataFrame | None,
    context: str,
    certificate: str,
) -> Session | None:
    """A bounded paper session on the newest bars; None when there is no certificate to trade on.

    Raises:
        CertificateRefused: the certificate does not hold for this artefact, this code, this moment.
    """
    if not certificate:
        say("trade", 1, 1, "nobody was certified, so nobody trades")
        return None
    registry, key = Registry(place.folder("registry")), open_key(key_path(place.home))
    entry = registry.get(certificate)
    if entry.stage == "candidate":
        raise CertificateRefused(f"{entry.digest[:12]} is only a candidate; let the gate judge it first")
    signed = verify(
        registry.certificate_of(entry.digest),
        entry.folder,
        trusted=[key.public_key()],
        now=clock.now(),
        code=code_version(),
    )
    agent, manifest = load(entry.folder)
    known = open_context(place, context)
    frame = place.get(bars)
    news = news_feed(experiment, place, known, frame, headlines)
    rules = load_rules(manifest["market"]["venue"], manifest["market"]["symbol"])
    account = Account(capital_usdt=manifest["market"]["capital_usdt"])
    desk, outside = Desk(rules, account), recorded_outside(experiment, place, frame)
    latency_ms = manifest["market"]["latency_ms"]
    n_bars = min(round(experiment.session.minutes * 60_000 / experiment.clock_ms), frame.height // 2)
    feed = feed_of(frame.tail(n_bars + _WARM_BARS))
    log = run_session(
        mind_of(experiment, known, agent, manifest, news, outside),
        desk,
        feed[:-n_bars],
        feed[-n_bars:],
        latency_ms=latency_ms,
        on_bar=lambda done: say("trade", done + 1, n_bars, "bars of the paper session"),
    )
    again = _again(
        lambda: mind_of(experiment, known, agent, manifest),
        (news, outside), feed[:-n_bars], feed[-n_bars:], log, rules, account, latency_ms,
    )  # fmt: skip
    table = session_table(experiment, frame, log, latency_ms, account.capital_usdt)
    return Session(table, log, account.capital_usdt, signed.serial, again)


def _again(
    make_mind: Callable[[], Mind],
    surroundings: tuple[News, Outside],
    past: list[Bar],
    bars: list[Bar],
    log: Log,
    rules: VenueRules,
    account: Account,
    latency_ms: float,
) -> Compared:
    """The session through a fresh mind and through the simulator."""
    news, outside = surroundings
    warm = [(t_ms, values, np.concatenate([news(t_ms), outside(t_ms)])) for t_ms, values in past]
    n, zeros = len(log.t_ms), np.zeros(len(log.t_ms))
    system: list[npt.ArrayLike] = [
        log.held,
        log.wanted,
        log.target,
        log.position,
        zeros,
        log.equity_usdt,
        log.entry_price,
    ]
    values = np.array([row for _, row in bars])
    rows: npt.NDArray[np.float64] = np.column_stack(
        [log.t_ms, zeros, values, *system, np.full(n, float(latency_ms))]
    )
    recorded = Recorded(rows, np.array(log.kernel), np.array(log.around))
    fills = [
        {"t_ms": log.t_ms[row], "side": fill.side, "price": fill.price, "qty": fill.qty}
        for row, fill in log.fills
    ]
    return lives_again(make_mind, [Life(number=0, warm=warm)], recorded, fills, rules, account)


def paper_session(
    home: Path, digest: str, profile: str, minutes: float, listener: Listener | None = None
) -> dict[str, Any]:
    """A session on the newest bars of the lake, outside any flow; its table is put away like the flow's.

    Raises:
        RegistryRefused: no such agent.
        CertificateRefused: it is not certified for this code, or its certificate does not hold.
    """
    experiment, place = Experiment.of(Order(profile=profile, home=str(home))), Place(home)
    experiment = replace(experiment, session=SessionConfig(minutes=minutes))
    entry = Registry(place.folder("registry")).get(digest)
    _, _, manifest = read(entry.folder)
    symbol = manifest["data"][0]["symbol"]
    bars = place.lake.ref("bars", symbol)
    news = place.lake.get("headlines", symbol=symbol) if "headlines" in place.lake.tables() else None
    with listening(listener):
        session = rehearse(experiment, place, bars, news, manifest["context"], entry.digest)
    if session is None:
        raise CertificateRefused(f"{entry.digest[:12]} has no certificate; run the gate first: decot run")
    ref = place.put("session", session.table, symbol=symbol, sources=(bars,))
    return {**session.summary(), "session": ref.to_dict()}


def feed_of(bars: pl.DataFrame) -> list[Bar]:
    """Bars one by one, as a live feed would hand them over."""
    return list(zip(bars["timestamp"].to_list(), bars.select(BAR_INPUTS).to_numpy()))


def news_feed(
    experiment: Experiment, place: Place, context: Context, bars: pl.DataFrame, headlines: pl.DataFrame | None
) -> News:
    """What the news columns are at the end of each bar, from headlines available by then."""
    if headlines is None or headlines.height == 0 or not context.encoder_identity:
        return no_news
    columns = surroundings(experiment, place, context, bars, headlines)
    matrix = np.stack([columns[name] for name in TEXT], axis=1)
    rows = {stamp: row for row, stamp in enumerate(bars["timestamp"].to_list())}
    return lambda t_ms: matrix[rows[t_ms]]


def session_table(
    experiment: Experiment, bars: pl.DataFrame, log: Log, latency_ms: float, capital_usdt: float
) -> pl.DataFrame:
    """The 41 columns of the session: market columns as the live mind made them, system columns from the desk."""
    equity = np.array(log.equity_usdt)
    position = np.array(log.position, np.int8)
    peak = np.maximum.accumulate(np.maximum(equity, capital_usdt))
    held = np.r_[np.int8(0), position[:-1]]
    system = {
        "position": position,
        "pnl": np.diff(equity, prepend=capital_usdt),
        "cumulative_pnl": equity - capital_usdt,
        "drawdown": peak - equity,
        "entry_price": np.array(log.entry_price),
        "exit_signal": ((held != 0) & (position != held)).astype(np.int8),
        "execution_latency": np.full(len(equity), float(latency_ms)),
    }
    around = base_table(bars, replace(experiment.features, clock_ms=experiment.clock_ms)).tail(len(equity))
    ahead = {name: around[name] for name in TARGETS}
    frame = pl.DataFrame({"timestamp": log.t_ms, **log.columns(), **ahead, **system})
    return cast_to_schema(frame, BASE_COLUMNS)
