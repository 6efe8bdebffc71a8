"""The regimes in one small picture: price by regime, and below it how sure the model was. Knows arrays; writes SVG by hand.

Small enough to travel inside a note (some 30 kB), so that it shows wherever the note shows: no server, no plotting library.
It brings its own paper, because a picture inside a page cannot know whether that page is light or dark.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

from decot import clock
from decot.context.regime_picture import COLOURS

WIDTH, HEIGHT = 960, 348
_LEFT, _RIGHT, _TOP = 78, 14, 44
_PRICE, _GAP, _BAND = 190, 18, 36
_MOST_STRETCHES = 300
_INK, _SOFT, _LINE, _PAPER = "#1b1f24", "#57616b", "#d9dee3", "#ffffff"
_FONT = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif"


def regime_strip(
    timestamp_ms: np.ndarray,
    price: np.ndarray,
    posterior: np.ndarray,
    names: Sequence[str] = (),
    title: str = "",
) -> str:
    """Price over time in the colour of the likeliest regime, and the share of each regime below it, as SVG text.

    Args:
        timestamp_ms: (T,) ends of the bars, UTC.
        price: (T,) quote currency.
        posterior: (T, K) how likely each regime was, rows sum to one.
        names: K words for the legend; `regime 0`… if not given.
    Raises:
        ValueError: no bar, or arrays of different lengths.
    """  # fmt: skip
    if not 0 < len(price) == len(timestamp_ms) == len(posterior):
        raise ValueError(
            f"a picture needs bars: {len(timestamp_ms)} times, {len(price)} prices, {len(posterior)} posteriors"
        )
    edges = np.unique(np.linspace(0, len(price), min(_MOST_STRETCHES, len(price)) + 1).astype(int))
    shares = np.add.reduceat(posterior, edges[:-1], axis=0) / np.diff(edges)[:, None]
    seen = np.asarray(price, dtype=np.float64)[edges[1:] - 1]
    across = np.linspace(_LEFT, WIDTH - _RIGHT, len(edges))
    called = list(names) or [f"regime {k}" for k in range(posterior.shape[1])]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title or "price by regime")}" font-family="{_FONT}" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{_PAPER}"/>',
        f'<text x="{_LEFT}" y="22" fill="{_INK}" font-size="14" font-weight="600">{escape(title)}</text>',
        *_scale(seen),
        *_price(across, seen, shares.argmax(1)),
        *_band(across, shares),
        *_days(np.asarray(timestamp_ms)),
        *_legend(called),
        "</svg>",
    ]
    return "".join(parts)


def as_image(svg: str, said: str) -> str:
    """The picture inside a line of markdown: nothing is fetched, wherever the note is shown."""
    inside = base64.b64encode(svg.encode()).decode()
    return f"![{said.replace(']', ' ')}](data:image/svg+xml;base64,{inside})"


def _y(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return _TOP + _PRICE * (1.0 - (value - low) / max(high - low, 1e-12))


def _scale(seen: np.ndarray) -> list[str]:
    low, high = float(seen.min()), float(seen.max())
    marks = np.linspace(low, high, 4) if high > low else np.array([low])
    places = max(0, 2 - int(np.floor(np.log10(max(high - low, 1e-9)))))
    return [
        f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{_LINE}"/><text x="{_LEFT - 8}" y="{y + 4:.1f}" '
        f'text-anchor="end" fill="{_SOFT}">{mark:,.{min(places, 8)}f}</text>'
        for mark, y in zip(marks, _y(marks, low, high))
    ]


def _price(across: np.ndarray, seen: np.ndarray, likeliest: np.ndarray) -> list[str]:
    """One line per run of a regime; each begins where the one before it ended, so that the price has no holes."""
    x, y = across[1:], _y(seen, float(seen.min()), float(seen.max()))
    starts = np.r_[0, np.flatnonzero(np.diff(likeliest)) + 1]
    ends = np.r_[starts[1:], len(seen)]
    lines = []
    for start, end in zip(starts, ends):
        first = max(0, start - 1)
        points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in range(first, end))
        colour = COLOURS[likeliest[start] % len(COLOURS)]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round" '
            'stroke-linecap="round"/>'
        )
    return lines


def _band(across: np.ndarray, shares: np.ndarray) -> list[str]:
    """Shares on top of each other, full height is all of them; the upper ones are painted first and covered by the lower."""
    foot = _TOP + _PRICE + _GAP + _BAND
    tops = foot - _BAND * np.cumsum(shares, axis=1)
    drawn = []
    for k in reversed(range(shares.shape[1])):
        steps = "".join(f"V{top:.1f}H{x:.1f}" for top, x in zip(tops[:, k], across[1:]))
        drawn.append(f'<path d="M{across[0]:.1f} {foot}{steps}V{foot}Z" fill="{COLOURS[k % len(COLOURS)]}"/>')
    label = f'<text x="{_LEFT - 8}" y="{foot - _BAND / 2 + 4:.0f}" text-anchor="end" fill="{_SOFT}">how sure</text>'
    return [*drawn, label]


def _days(timestamp_ms: np.ndarray) -> list[str]:
    """First and last moment, and where a new day begins; bars stand one beside the other, pauses take no room."""
    foot = _TOP + _PRICE + _GAP + _BAND
    days, n = timestamp_ms // 86_400_000, len(timestamp_ms)
    turns = np.flatnonzero(np.diff(days)) + 1
    wide = WIDTH - _LEFT - _RIGHT
    lines = [
        f'<path d="M{_LEFT + wide * turn / n:.1f} {_TOP}V{foot}" stroke="{_SOFT}" stroke-dasharray="2 3"/>'
        for turn in turns[:40]
    ]
    first, last = (clock.iso(int(timestamp_ms[i]))[:16].replace("T", " ") for i in (0, -1))
    return [
        *lines,
        f'<text x="{_LEFT}" y="{foot + 18}" fill="{_SOFT}">{first}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="{foot + 18}" text-anchor="end" fill="{_SOFT}">{last} UTC</text>',
    ]


def _legend(names: Sequence[str]) -> list[str]:
    wide = (WIDTH - _LEFT - _RIGHT) / len(names)
    return [
        f'<rect x="{_LEFT + wide * k:.0f}" y="{HEIGHT - 19}" width="12" height="6" fill="{COLOURS[k % len(COLOURS)]}"/>'
        f'<text x="{_LEFT + wide * k + 18:.0f}" y="{HEIGHT - 12}" fill="{_INK}">{escape(name)}</text>'
        for k, name in enumerate(names)
    ]
