"""A session on a tiny market, its mind replaced by one that is easy to follow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live.session import run_session
from decot.market.account import Account
from decot.market.desk import Desk
from decot.market.rules import load_rules
from decot.market.simulate import simulate
from decot.market.tape import Tape


class Plain:
    """Long in the middle third, flat elsewhere; remembers how many bars it has seen."""

    def __init__(self, n: int) -> None:
        self.n, self.seen = n, 0

    def read(self, t_ms, values):
        self.seen += 1
        return np.zeros(len(OUT_NAMES) + 31)

    def decide(self, row, position):
        third = self.n // 3
        action = 1 if third <= self.seen - 6 < 2 * third else 0
        return SimpleNamespace(
            action=action, words=np.zeros(9, np.int8), say=lambda lang: f"{lang}: {action}"
        )


def bars(n: int) -> list:
    values = np.zeros((n, len(BAR_INPUTS)))
    mid = 90_000 + 40 * np.sin(np.arange(n) / 5)
    for name, column in (
        ("bid_price", mid - 1),
        ("ask_price", mid + 1),
        ("bid_volume", 1 + 0 * mid),
        ("ask_volume", 1 + 0 * mid),
    ):
        values[:, BAR_INPUTS.index(name)] = column
    return [(1_000 * (i + 1), row) for i, row in enumerate(values)]


def test_the_desk_does_what_the_simulator_does():
    """Same targets, same touches, same latency: the same fills and the same equity, to the bit."""
    feed, n = bars(65), 60
    log = run_session(
        Plain(n), Desk(load_rules("demo", "BTC-USD"), Account()), feed[:5], feed[5:], latency_ms=300
    )
    touch = np.array([row for _, row in feed[5:]])
    bid, ask = touch[:, BAR_INPUTS.index("bid_price")], touch[:, BAR_INPUTS.index("ask_price")]
    tape = Tape.of(np.array([t for t, _ in feed[5:]]), bid, ask, np.ones(n), np.ones(n), latency_ms=300)
    run = simulate(tape, np.array(log.target, np.int8), load_rules("demo", "BTC-USD"))
    assert len(log.fills) == len(run.fills) == 2
    np.testing.assert_array_equal(np.array(log.equity_usdt), run.equity_usdt)


def test_a_session_ends_flat_and_says_each_change_of_mind_once():
    """Two changes of target, two sentences; the last row holds nothing."""
    feed = bars(65)
    log = run_session(
        Plain(60), Desk(load_rules("demo", "BTC-USD"), Account()), feed[:5], feed[5:], latency_ms=300
    )
    assert [said.target for said in log.said] == [1, 0]
    assert log.position[-1] == 0
    assert log.said[0].sentence == "en: 1"


def test_what_is_open_at_the_end_is_closed_at_the_touch():
    """A mind that never lets go is closed on the last bar, and the fill is written down."""
    feed = bars(35)
    log = run_session(
        Plain(60), Desk(load_rules("demo", "BTC-USD"), Account()), feed[:5], feed[5:], latency_ms=300
    )
    assert log.position[-2] == 1
    assert log.position[-1] == 0
    assert log.fills[-1][0] == len(log.t_ms) - 1
