"""Readings that come while bars are judged give the rows of the table that is made of them later."""

import time

import numpy as np

from decot.context.mcp_live import Askers, LiveReadings
from decot.context.mcp_readings import McpColumn, McpConfig, Reading, merged_columns
from schemas.columns import CONTEXT

SERVERS = (
    McpConfig(
        url="http://a", columns=(McpColumn(column=0, tool="t"), McpColumn(column=3, tool="t")), memory_s=5
    ),
    McpConfig(url="http://b", columns=(McpColumn(column=1, tool="t"),), memory_s=3),
)


def test_rows_are_the_tables_rows_whatever_the_order_of_events():
    """Random arrivals, many stamped at or before a judged bar: what was kept gives the same rows, bit for bit."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        kept: list[list[Reading]] = [[], []]
        live = LiveReadings(SERVERS, lambda cfg, one, kept=kept: kept[SERVERS.index(cfg)].append(one))
        bars = np.arange(1_000, 60_001, 1_000)
        seen = []
        for t in bars:
            for _ in range(rng.poisson(0.15)):
                reading = Reading(
                    int(t + rng.integers(-1_500, 500)), tuple(rng.normal(size=4)), bool(rng.random() < 0.8)
                )
                live.hear(int(rng.integers(2)), reading)
            seen.append(live.row(int(t)))
        columns = merged_columns(list(zip(SERVERS, kept, strict=True)), bars)
        assert np.array_equal(np.array(seen), np.stack([columns[name] for name in CONTEXT], axis=1))
        assert 0 < np.array(seen)[:, -1].mean() < 1


def test_what_was_kept_before_the_session_is_not_kept_twice():
    """Readings of an earlier day are known from the first bar on, and nobody writes them down again."""
    kept: list[Reading] = []
    live = LiveReadings(SERVERS, lambda cfg, one: kept.append(one))
    live.hear(0, Reading(500, (0.5, 0, 0, 0.25), True), is_new=False)
    assert live.row(1_000).tolist() == [0.5, 0.0, 0.0, 0.25, 1.0]
    assert kept == []


def test_a_row_waits_for_nobody_and_a_dead_line_is_said():
    """A line that takes a second: rows go on at once, masked, and known when it answers; a hang-up holds nobody."""

    class Slow:
        def read(self) -> Reading:
            time.sleep(1.0)
            return Reading(5_000, (0.7, 0, 0, 0), True)

        def close(self) -> None:
            time.sleep(3.0)

    class Dead:
        def read(self) -> Reading:
            return Reading(0, why="ConnectionError: nobody there")

        def close(self) -> None: ...

    live = LiveReadings(SERVERS)
    begun = time.monotonic()
    with Askers(live, SERVERS, (Slow(), Dead())):
        assert live.row(4_000).tolist() == [0.0] * 5
        assert time.monotonic() - begun < 0.5
        deadline = time.monotonic() + 20
        while not live.newest()[0].known and time.monotonic() < deadline:
            time.sleep(0.02)
        assert live.row(5_000).tolist() == [0.7, 0.0, 0.0, 0.0, 1.0]
        assert live.newest()[1].why == "ConnectionError: nobody there"
        left = time.monotonic()
    assert time.monotonic() - left < 0.5
