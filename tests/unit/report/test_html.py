"""The page that tells a run."""

from __future__ import annotations

from decot.report.figures import MOST_POINTS, drawdown, thin
from decot.report.html import page, write_report
from decot.report.story import Act, Curve, Story, Thought


def story(verdict: str = "refused") -> Story:
    t_ms = list(range(1_000, 11_000, 1_000))
    act = Act(
        name="other day",
        price=Curve(name="mid", t_ms=t_ms, value=[100.0 + i for i in range(10)]),
        equity=Curve(name="agent", t_ms=t_ms, value=[19, 20, 18, 19, 21, 20, 20, 22, 21, 21]),
        position=[0, 1] * 5,
        thoughts=[
            Thought(t_ms=3_000, row=7, price=102.0, action="buy", sentence="Buy <now> & hold.", sentence_fr="Achat.",
                    pnl_bps=None)
        ],
    )  # fmt: skip
    return Story(
        run_id="r1", title="demo on <world>", verdict=verdict, lead="too few trades", gate_html="<p>card</p>", acts=[act],
        front=[{"label": "a", "profit": 1.0, "explanation": 0.5, "is_front": True}],
        heads=[{"name": "exit", "alive": False}],
        words=[], seeds=[], tables=[], facts={"seed": "7"}, caveats=["made up"], command="decot run",
    )  # fmt: skip


def test_the_page_is_whole_and_fetches_nothing(tmp_path):
    """One file with the plotting code inside; no address is loaded; the verdict stands in its first screen."""
    text = write_report(story(), tmp_path / "run" / "report.html").read_text()
    body = text[text.index("<body>") :]
    assert body.index("Refused") < body.index("The gate")
    assert "<script src" not in text
    assert "<link " not in text
    assert not list(tmp_path.rglob("*.part"))


def test_what_others_wrote_is_escaped():
    """A title or a sentence with markup in it is shown, not obeyed."""
    text = page(story())
    assert "demo on &lt;world&gt;" in text
    assert "Buy &lt;now&gt; &amp; hold." in text


def test_each_sentence_can_be_pointed_at():
    """The row a sentence speaks of is its anchor."""
    assert 'id="row-other-day-7"' in page(story())


def test_drawdown_is_measured_from_the_peak_so_far():
    """By hand: 19, 20, 18 stands 2 below its peak."""
    assert drawdown(Curve(name="", t_ms=[1, 2, 3], value=[19, 20, 18])).value == [0, 0, -2]


def test_a_long_line_is_thinned_and_keeps_its_end():
    """No more points than a screen shows, and the last one is the last one."""
    n = MOST_POINTS * 7 + 3
    seen = thin(Curve(name="", t_ms=list(range(n)), value=[float(i) for i in range(n)]))
    assert len(seen.t_ms) <= MOST_POINTS + 1
    assert seen.t_ms[-1] == n - 1
