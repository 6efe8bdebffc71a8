"""The picture of the regimes that travels inside a note."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from decot.context.regime_picture import COLOURS
from decot.report.strip import as_image, regime_strip

SVG = "{http://www.w3.org/2000/svg}"


def three_regimes(n: int = 3_000):
    """A third of each, one after the other; certain but for a tenth."""
    posterior = np.full((n, 3), 0.05)
    posterior[np.arange(n), np.arange(n) * 3 // n] = 0.9
    price = 100.0 + np.arange(n) / n
    return 1_767_600_000_000 + 1_000 * np.arange(n), price, posterior


def test_the_price_is_drawn_in_the_colours_of_the_regimes_that_were_likeliest():
    """Three runs, three lines in three colours, each beginning where the last ended; the price rises from foot to top."""
    picture = ElementTree.fromstring(regime_strip(*three_regimes(), title="A & B <rising>"))
    lines = picture.findall(f"{SVG}polyline")
    assert [line.get("stroke") for line in lines] == list(COLOURS[:3])
    points = [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in lines]
    assert points[1][0] == points[0][-1]
    assert points[2][0] == points[1][-1]
    assert points[0][0][1] > points[2][-1][1]
    assert points[0][0][0] < points[1][5][0] < points[2][5][0]


def test_the_band_is_as_high_as_the_model_was_sure():
    """A regime that was never likelier than a twentieth takes a twentieth of the band's height, on top of the others."""
    t, price, posterior = three_regimes(300)
    posterior[:] = (0.9, 0.05, 0.05)
    paths = ElementTree.fromstring(regime_strip(t, price, posterior)).findall(f"{SVG}path")
    bands = {path.get("fill"): path.get("d") for path in paths if path.get("fill")}
    assert list(bands) == list(reversed(COLOURS[:3]))
    foot = float(bands[COLOURS[0]].split("V")[0].split(" ")[1])
    tops = [foot - float(bands[colour].split("V")[1].split("H")[0]) for colour in COLOURS[:3]]
    assert tops[0] / tops[2] == pytest.approx(0.9, abs=0.01)
    assert tops[1] / tops[2] == pytest.approx(0.95, abs=0.01)


def test_a_day_of_seconds_stays_small_enough_for_a_note():
    """43,200 bars: below 60 kB, inside one line of markdown that holds the very picture."""
    t, price, _ = three_regimes(43_200)
    rng = np.random.default_rng(0)
    drawn = regime_strip(t, price + rng.normal(size=len(price)), rng.dirichlet((1, 1, 1), len(price)))
    line = as_image(drawn, "price [by] regime")
    assert len(line) < 60_000
    assert "\n" not in line
    inside = line.removeprefix("![price [by  regime](data:image/svg+xml;base64,").removesuffix(")")
    assert base64.b64decode(inside).decode() == drawn


def test_without_bars_there_is_no_picture():
    """Nothing, or arrays that do not belong together: refused with their lengths."""
    t, price, posterior = three_regimes(10)
    for asked in ((t[:0], price[:0], posterior[:0]), (t, price[:9], posterior)):
        with pytest.raises(ValueError, match=r"a picture needs bars: \d+ times"):
            regime_strip(*asked)
    assert "NaN" not in regime_strip(t[:1], price[:1], posterior[:1])
