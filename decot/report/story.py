"""What a run has to tell, as plain values. Knows nothing of pictures, nor of how the values were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line over time."""

    name: str
    t_ms: list[int]
    """bar ends, milliseconds UTC"""
    value: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """One decision that changed the position, and the words that are its computation."""

    t_ms: int
    row: int
    """row of the features table it speaks of"""
    price: float
    action: str
    """`buy`, `sell` or `close`"""
    sentence: str
    sentence_fr: str
    pnl_bps: float | None = None
    """what the trade that ended here earned, basis points of its notional"""
    seen: dict[str, float] = field(default_factory=dict)
    """some columns of that row, as the agent had them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One stretch the agent was watched on."""

    name: str
    price: Curve
    equity: Curve
    """account in USDT, marked at mid"""
    position: list[int]
    thoughts: list[Thought]
    baselines: list[Curve] = field(default_factory=list)
    """what others made on the same stretch, USDT"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run from beginning to end."""

    run_id: str
    title: str
    verdict: str
    lead: str
    """one or two sentences: what was decided, and the number it hangs on"""
    gate_html: str
    """the gate card as an HTML fragment"""
    acts: list[Act]
    front: list[dict[str, Any]]
    """one row per individual: name, profit, explanation, is_front, genome"""
    heads: list[dict[str, Any]]
    words: list[dict[str, Any]]
    seeds: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    facts: dict[str, str]
    caveats: list[str]
    """what was made up, stood in for, or not tried"""
    figures: list[dict[str, Any]] = field(default_factory=list)
    """further plotly figures as plain values, with a `caption`"""
    search: dict[str, Any] = field(default_factory=dict)
    """the search as its ledger tells it (`tracking_views.views`); empty shows `front` alone"""
    command: str = ""
    """what reproduces all of it"""
