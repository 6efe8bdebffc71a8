"""An agent's way after the gate: certified → paper → live → retired. Introduces `gate` to a paper session and a person.

Nothing here can skip a stage or sign what does not hold; there is no override.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import CertificateRefused, RegistryRefused
from decot.experiment.baseline import ensure_baseline
from decot.experiment.code import code_version
from decot.experiment.mirror import mirrored
from decot.experiment.place import Place
from decot.gate.approval import read_session, sign_approval, sign_session
from decot.gate.certificate import Certificate, issue, verify
from decot.gate.config import GateConfig
from decot.gate.keys import key_path, open_key, signing_key
from decot.gate.registry import Entry, Registry
from decot.report.progress import Listener

_FIGURES = ("bars", "fills", "net_usdt", "net_bps", "capital_usdt", "refused_orders", "replay")
_CENT_OF_A_CENT = 1e-4


@dataclass(frozen=True, slots=True)
class Presented:
    """What is in front of the person who decides."""

    digest: str
    session: str
    """serial of the signed paper session"""
    card: str
    """markdown: the paper session, then every rule of the gate with its figure"""


def verified(place: Place, digest: str) -> tuple[Entry, Certificate]:
    """An agent and its certificate for paper, if everything about it holds here and now.

    Raises:
        RegistryRefused: no such agent.
        CertificateRefused: with the reason.
    """
    registry, now = Registry(place.folder("registry")), clock.now()
    entry = registry.get(digest)
    signed = verify(
        registry.certificate_of(entry.digest),
        entry.folder,
        trusted=[open_key(key_path(place.home)).public_key()],
        now=now,
        code=code_version(),
    )
    return entry, signed


def to_paper(
    home: Path, digest: str, profile: str, minutes: float, listener: Listener | None = None
) -> dict[str, Any]:
    """A paper session of a certified agent; when it ends well its figures are signed and the stage is paper.

    Raises:
        CertificateRefused: the certificate does not hold, the session does not replay, or it lost what no drill may lose.
        RegistryRefused: it is not certified, or is past it.
    """
    from decot.experiment.trade import paper_session

    place = Place(home)
    entry, signed = verified(place, digest)
    if entry.stage not in ("certified", "paper"):
        raise RegistryRefused(f"{entry.digest[:12]} is {entry.stage}; only a certified agent goes on paper")
    summary = paper_session(home, entry.digest, profile, minutes, listener)
    demand_replay(entry.digest, summary)
    most = GateConfig().drill_loss_max
    if summary["net_usdt"] < -most * summary["capital_usdt"]:
        raise CertificateRefused(
            f"{entry.digest[:12]}: the paper session lost {-summary['net_usdt']:.4f} USDT, more than {100 * most:.0f} % of "
            f"{summary['capital_usdt']:g}; it stays {entry.stage}"
        )
    now = clock.now()
    key, expires = signing_key(key_path(home), now)
    registry = Registry(place.folder("registry"))
    note = sign_session(
        registry.session_of(entry.digest),
        digest=entry.digest,
        certificate=signed.serial,
        figures={name: summary[name] for name in _FIGURES},
        key=key,
        now=now,
        key_expires=expires,
    )
    if entry.stage == "certified":
        why = f"a paper session of {summary['bars']} bars ended at {summary['net_usdt']:+.4f} USDT"
        entry = registry.promote(entry.digest, "paper", now=now, why=why, trusted=[key.public_key()])
    told = mirrored(place, entry)
    watched = ensure_baseline(home, entry.digest, profile, listener)
    return {
        "digest": entry.digest,
        "stage": entry.stage,
        "session": note.serial,
        "card": f"{summary['card']}\n{watched}",
        "monitor": watched,
        "mirror": told,
    }


def demand_replay(digest: str, figures: Mapping[str, Any]) -> None:
    """The sim-to-paper report of a paper session: it is there, covers every life, and nothing in it is off.

    Raises:
        CertificateRefused: with every reason.
    """
    replay, faults = figures.get("replay"), []
    if not replay:
        faults.append("it has no replay report")
    else:
        n, same = replay["n_decisions"], replay["n_same"]
        if not replay.get("covers_all"):
            faults.append(f"the replay covers {n:,} of {replay.get('n_bars', figures['bars']):,} bars")
        if n < figures["bars"]:
            faults.append(f"{n:,} decisions were made again, the session has {figures['bars']:,} bars")
        if same < n:
            faults.append(f"{n - same:,} of {n:,} decisions came out otherwise")
        if not figures["fills"] == replay["n_fills"] == replay["n_simulated"] == replay["n_matched"]:
            faults.append(
                f"of {figures['fills']} fills {replay['n_matched']} are the simulator's, which has {replay['n_simulated']}"
            )
        if not abs(replay["equity_error_usdt"]) < _CENT_OF_A_CENT:
            faults.append(f"the simulator ends {replay['equity_error_usdt']:+.6f} USDT away")
    if faults:
        raise CertificateRefused(
            f"{digest[:12]}: its paper session is no ground to go on: {'; '.join(faults)}. "
            f"Hold another one: decot agents promote {digest[:12]} paper"
        )


def present(place: Place, digest: str) -> Presented:
    """The card for the person who decides.

    Raises:
        CertificateRefused, RegistryRefused: the agent is not on paper, or a note about it does not hold.
    """
    entry, signed = verified(place, digest)
    if entry.stage != "paper":
        raise RegistryRefused(
            f"{entry.digest[:12]} is {entry.stage}; only an agent on paper can go live: decot agents promote DIGEST paper"
        )
    registry, now = Registry(place.folder("registry")), clock.now()
    trusted = [open_key(key_path(place.home)).public_key()]
    session = read_session(registry.session_of(entry.digest), entry.digest, trusted=trusted, now=now)
    demand_replay(entry.digest, session.body["figures"])
    return Presented(entry.digest, session.serial, card_of(entry, signed, session.body["figures"]))


def card_of(entry: Entry, signed: Certificate, figures: Mapping[str, Any]) -> str:
    """Paper session and gate card in markdown, as they are in front of the person."""
    verdict = signed.body["verdict"]
    lines = [
        f"# May {entry.digest[:12]} trade live?",
        "",
        f"Certified {signed.issued[:16]} UTC, until {signed.expires[:10]}. Capital {figures['capital_usdt']:g} USDT.",
        "",
        f"**Paper session:** {figures['bars']:,} bars, {figures['fills']} fills, {figures['net_usdt']:+.4f} USDT "
        f"({figures['net_bps']:+.1f} bps), {figures['refused_orders']} orders refused.",
        "",
        f"**The same through the simulator:** {figures['replay']['n_same']:,} of {figures['replay']['n_decisions']:,} "
        f"decisions and {figures['replay']['n_matched']} of {figures['replay']['n_fills']} fills alike.",
        "",
        f"**The gate:** {verdict['verdict']}. " + " ".join(verdict["reasons"]),
        "",
        "| rule | figure | bound | why |",
        "|---|---|---|---|",
    ]
    for rule in verdict["rules"]:
        why = str(rule["why"]).replace("|", "\\|")
        lines.append(f"| {rule['name']} | {_short(rule['figure'])} | {_short(rule['bound'])} | {why} |")
    return "\n".join(
        [*lines, "", "Real money moves when you approve. Your name and reason are signed and kept.", ""]
    )


def go_live(place: Place, digest: str, session: str, approved_by: str, reason: str) -> dict[str, Any]:
    """Sign the approval and the live certificate, then move to live.

    Raises:
        CertificateRefused: a note does not hold any more, or another paper session was made meanwhile.
    """
    shown = present(place, digest)
    if shown.session != session:
        raise CertificateRefused(
            f"{shown.digest[:12]}: another paper session was signed since the card was shown; ask again"
        )
    entry, signed = verified(place, digest)
    registry, now = Registry(place.folder("registry")), clock.now()
    key, expires = signing_key(key_path(place.home), now)
    sign_approval(
        registry.approval_of(entry.digest),
        digest=entry.digest,
        session=session,
        card=shown.card,
        approved_by=approved_by,
        reason=reason,
        key=key,
        now=now,
        key_expires=expires,
    )
    body = signed.body
    issue(
        registry.certificate_of(entry.digest, "live"),
        artefact=entry.folder,
        verdict=body["verdict"],
        data=body["data"],
        code=body["code"],
        config=body["config"],
        ledger_head=body["ledger_head"],
        key=key,
        now=now,
        stage="live",
        paper={"certificate": session},
        approved_by=approved_by.strip(),
        key_expires=expires,
    )
    why = f"approved by {approved_by.strip()}: {reason.strip()}"
    entry = registry.promote(entry.digest, "live", now=now, why=why, trusted=[key.public_key()])
    return {
        "digest": entry.digest,
        "stage": entry.stage,
        "approved_by": approved_by.strip(),
        "reason": reason.strip(),
        "mirror": mirrored(place, entry),
    }


def declined(place: Place, digest: str, approved_by: str, reason: str) -> dict[str, Any]:
    """A person said no: the stage stays."""
    entry = Registry(place.folder("registry")).get(digest)
    return {
        "digest": entry.digest,
        "stage": entry.stage,
        "approved_by": "",
        "reason": f"{approved_by}: {reason}",
    }


def retire(place: Place, digest: str, why: str) -> dict[str, Any]:
    """Out of service for good; needs no certificate, only a reason."""
    if not why.strip():
        raise RegistryRefused("retiring needs a reason: --why '…'")
    registry = Registry(place.folder("registry"))
    entry = registry.promote(registry.get(digest).digest, "retired", now=clock.now(), why=why.strip())
    told = mirrored(place, entry)
    return {"digest": entry.digest, "stage": entry.stage, "reason": why.strip(), "mirror": told}


def _short(x: Any) -> str:
    return f"{x:.4g}" if isinstance(x, (int, float)) else str(x if x is not None else "–")
