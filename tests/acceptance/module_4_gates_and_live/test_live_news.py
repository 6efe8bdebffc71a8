"""Module 4, live: headlines reach a running session, are kept bar by bar, and the session still replays to the bit."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading

import numpy as np
import polars as pl

from benchmarks import live_home
from decot.data.bars import build_bars
from decot.data.exchange.venue import point, serve
from decot.data.worlds import WorldConfig, make_world
from decot.experiment import enrich, live
from decot.experiment.config import Experiment
from decot.experiment.live import LiveOrder
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.live.record import AROUND, read, warm_of
from decot.live.risk import Limits

KNOWN = AROUND.index("news_known")


def test_a_running_session_hears_headlines_and_replays(tmp_path, tiny_profile):
    """A file of headlines beside a session: each counts from its own moment, the columns are kept, decisions replay."""
    home, profile = tmp_path / "home", tmp_path / "tiny.toml"
    home.mkdir()
    shutil.copy(tiny_profile, profile)
    tape = make_world(WorldConfig(days=1, seconds_per_day=9_000, seed=9))
    stretch = live_home.Stretch.of(tape, 133, 15)
    experiment, place = Experiment.of(Order(profile=str(profile), home=str(home))), Place(home)
    begin_ms = int(stretch.now.book["recv_us"][0]) // 1_000
    old = tape.headlines.filter(pl.col("available_ms") < begin_ms)
    words = ("A large exchange halts withdrawals after an outage", "The halted exchange resumes withdrawals")
    new = [
        {
            "published_ms": begin_ms + 200_000 * k,
            "available_ms": begin_ms + 200_000 * k + 500,
            "source": "wire",
            "text": text,
        }
        for k, text in enumerate(words, 1)
    ]
    assert old.height > 0
    context = enrich.learn(experiment, place, build_bars(stretch.before, 1_000), old).name
    digest = live_home.make(home, stretch.before, is_watched=False, profile=str(profile), context=context)
    news = tmp_path / "news.jsonl"
    news.write_text("".join(json.dumps(row) + "\n" for row in [*old.to_dicts(), *new]))
    said = _session(home, stretch, digest, str(profile), str(news))
    recorded = read(home / "live" / "news")
    stamps, known = recorded.column("timestamp"), recorded.around[:, KNOWN]
    assert said["outside"]["headlines"] == old["text"].n_unique() + len(new)
    assert said["outside"]["trouble"] == ""
    assert known.sum() > 0
    seen = recorded.around[:, 16:19]
    for row in new:  # each from its own moment: the first bar that ends at or after it
        first = int(np.searchsorted(stamps, row["available_ms"]))
        assert not np.array_equal(seen[first], seen[first - 1])
        assert stamps[first - 1] < row["available_ms"] <= stamps[first]
    assert any(row[KNOWN] for _, _, row in warm_of(home / "live" / "news", 0))
    replay = said["replay"]
    assert replay["n_same"] == replay["n_decisions"] == said["bars"] > 600
    assert replay["n_matched"] == replay["n_fills"] == replay["n_simulated"] > 0
    assert replay["covers_all"]


def _session(home, stretch, digest, profile, news):
    held, ready, over = {}, threading.Event(), threading.Event()

    async def venue():
        async with serve(stretch.now, speed=0, wait_streams=3) as opened:
            held["port"] = opened.port
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(venue()))
    thread.start()
    try:
        assert ready.wait(60)
        order = LiveOrder(
            digest=digest, profile=profile, home=str(home), speed=0.0, session="news", minutes=12.0, quiet_s=5.0,
            news=news, warm_bars=5, limits=Limits(**live_home.WILD),
        )  # fmt: skip
        return live.run(order, prepare=lambda client: point(client, held["port"]))
    finally:
        over.set()
        thread.join(30)
