"""What a calibration of the gate found: kept beside the code, told in words, drawn. Knows results, tries nothing itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy.special import betaincinv

from decot.gate.config import GateConfig

STORE = Path(__file__).with_name("calibration.json")


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact lower and upper bound of a share, each one-sided at `level`."""
    if n == 0:
        return 0.0, 1.0
    lower = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, 1.0 - level))
    upper = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, level))
    return lower, upper


def bounds_digest(gate: GateConfig) -> str:
    """Which bounds a calibration was made with."""
    return hashlib.sha256(json.dumps(asdict(gate), sort_keys=True).encode()).hexdigest()[:16]


def stored(gate: GateConfig | None = None, path: Path = STORE) -> dict[str, Any] | None:
    """The stored calibration; None if there is none or it was made with other bounds."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found if found.get("bounds") == bounds_digest(gate or GateConfig()) else None


def public(found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures everybody may build on: false promotions with their upper bound, and the power curve."""
    false, power = found["false_promotion"], found["power"]
    curve = [
        {key: point[key] for key in ("edge_bps", "power", "low95", "high95")} for point in power["curve"]
    ]
    return {
        "false_promotion": {key: false[key] for key in ("markets", "rate", "upper95")},
        "power": {
            "declared_edge_bps": power["declared_edge_bps"],
            "at_declared_edge": power["at_declared_edge"],
            "curve": curve,
        },
    }


def told(found: Mapping[str, Any]) -> str:
    """A calibration in words."""
    false, family, power = found["false_promotion"], found["family"], found["power"]
    lines = [
        f"edge-free markets: {false['promoted']} of {false['markets']} promoted, at most "
        f"{100 * false['upper95']:.2f} % with 95 % confidence",
        f"{family['attempts']} attempts in a row: {family['promoted']} of {family['markets']} families, at most "
        f"{100 * family['upper95']:.2f} %",
    ]
    lines += [
        f"planted {p['edge_bps']:4g} bps a trade: {100 * p['power']:3.0f} % promoted ({100 * p['low95']:.0f}…"
        f"{100 * p['high95']:.0f} %)"
        for p in power["curve"]
    ]
    return "\n".join(lines)


def power_picture(
    found: Mapping[str, Any], *, width: int = 640, height: int = 320, standalone: bool = False
) -> str:
    """The power curve as one self-contained SVG: a point per edge with its exact 95 % bounds.

    A standalone file brings its own paper, light or dark; within a page it takes the page's colours.
    """
    power = found["power"]
    curve = sorted(power["curve"], key=lambda point: point["edge_bps"])
    left, right, top, bottom = 56, width - 20, 28, height - 48
    most = curve[-1]["edge_bps"]

    def x(edge: float) -> str:
        return f"{left + (right - left) * edge / most:.1f}"

    def y(share: float) -> str:
        return f"{bottom - (bottom - top) * share:.1f}"

    def text(at: object, height: object, words: str, anchor: str = "middle") -> str:
        return f'<text x="{at}" y="{height}" text-anchor="{anchor}">{words}</text>'

    def line(x1: object, y1: object, x2: object, y2: object, look: str) -> str:
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {look}/>'

    parts = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(line(left, y(share), right, y(share), 'stroke="#8886"'))
        parts.append(text(left - 8, y(share), f"{100 * share:.0f} %", "end"))
    route = " ".join(f"{x(p['edge_bps'])},{y(p['power'])}" for p in curve)
    parts.append(f'<polyline points="{route}" fill="none" stroke="#17692f" stroke-width="2"/>')
    for p in curve:
        at = x(p["edge_bps"])
        parts.append(line(at, y(p["low95"]), at, y(p["high95"]), 'stroke="#17692f"'))
        parts.append(f'<circle cx="{at}" cy="{y(p["power"])}" r="4" fill="#17692f"/>')
        parts.append(text(at, bottom + 18, f"{p['edge_bps']:g}"))
    declared = x(power["declared_edge_bps"])
    parts.append(line(declared, top, declared, bottom, 'stroke="#9b1c1c" stroke-dasharray="4 4"'))
    parts.append(
        text(float(declared) + 6, bottom - 8, f"declared: {power['declared_edge_bps']:g} bps", "start")
    )
    parts.append(text((left + right) // 2, height - 8, "planted edge, gross bps a trade"))
    parts.append(text(left, 14, "power of the gate: share of planted markets promoted", "start"))
    paper = ""
    if standalone:
        paper = (
            "<style>svg{color:#222}.paper{fill:#fff}@media(prefers-color-scheme:dark){svg{color:#ddd}"
            f'.paper{{fill:#15181c}}}}</style><rect class="paper" width="{width}" height="{height}"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui,sans-serif" font-size="12" fill="currentColor">{paper}{"".join(parts)}</svg>'
    )
