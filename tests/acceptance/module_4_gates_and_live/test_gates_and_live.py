"""Module 4: luck is refused, skill passes, a dead head is named, and paper fills are the simulator's fills."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.school import tape_of
from decot.gate.registry import Registry
from decot.live.session import run_session
from decot.market.account import Account
from decot.market.desk import Desk
from decot.market.rules import load_rules
from decot.market.simulate import simulate
from schemas.columns import BASE_COLUMNS
from schemas.tables import BaseTable, faults


@pytest.fixture(scope="module")
def both(tmp_path_factory, run_decot):
    """The demo as `make demo` runs it, and beside it the same market without its edge, in a home of its own."""
    homes = [tmp_path_factory.mktemp(name) for name in ("demo", "no-edge")]
    words = (["--profile", "demo"], ["--world", "no-edge"])
    with ThreadPoolExecutor(2) as pool:
        said = pool.map(
            lambda n: run_decot("run", *words[n], "--home", str(homes[n]), "--json", "--quiet"), (0, 1)
        )
        return list(zip(homes, said))


@pytest.fixture(scope="module")
def demo(both):
    """The demo's home and what it said."""
    return both[0]


def test_skill_is_promoted_on_the_planted_edge(demo):
    """The demo's market has an edge after costs; every rule of the gate holds, and a certificate is signed."""
    home, said = demo
    assert said.code == 0, said.err[-2_000:]
    gate = said.json["gate"]
    assert gate["verdict"] == "promoted"
    assert all(rule["passed"] for rule in gate["rules"])
    assert [entry.stage for entry in Registry(home / "registry").entries()] == ["certified"]
    assert (home / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_a_paper_session_leaves_its_41_columns_and_its_sentences(demo):
    """The session table passes the very schema of training data, with the system columns filled."""
    home, said = demo
    trade = said.json["trade"]
    assert trade["fills"] > 0
    assert trade["sentences"]
    ref = next(table for table in said.json["tables"] if table["name"] == "session")
    frame = Place(home).lake.get("session", symbol=ref["symbol"])
    assert tuple(frame.columns) == BASE_COLUMNS
    assert faults(frame, BaseTable) == []
    assert frame["position"].abs().sum() > 0
    assert frame["cumulative_pnl"][-1] == pytest.approx(trade["net_usdt"], abs=1e-6)


def test_the_session_wrote_the_columns_that_batch_wrote(demo):
    """Bar by bar through the live mind, the market columns are bit for bit those of the base table."""
    home, said = demo
    place = Place(home)
    symbol = said.json["tables"][0]["symbol"]
    session, base = place.lake.get("session", symbol=symbol), place.lake.get("base", symbol=symbol)
    market = [name for name in BASE_COLUMNS if name not in BASE_COLUMNS[-7:]]
    assert session[market].equals(base.tail(session.height)[market])


def test_paper_fills_are_the_simulators_fills(demo):
    """The session's targets, walked by the simulator over the same touches, give the same fills and equity."""
    from decot.experiment.enrich import news_of, open_context
    from decot.experiment.mind import mind_of
    from decot.experiment.trade import feed_of, news_feed
    from decot.model.checkpoint import load

    home, said = demo
    place, experiment = Place(home), Experiment.of(Order(home=str(home)))
    symbol = said.json["tables"][0]["symbol"]
    bars = place.lake.get("bars", symbol=symbol)
    agent, manifest = load(Registry(home / "registry").entries()[0].folder)
    context = open_context(place, manifest["context"])
    news = news_feed(
        experiment, place, context, bars, news_of(place, {"headlines": place.lake.ref("headlines", symbol)})
    )
    rules, account = load_rules("demo", "BTC-USD"), Account(capital_usdt=19.0)
    feed = feed_of(bars.tail(3_000))
    log = run_session(
        mind_of(experiment, context, agent, manifest, news),
        Desk(rules, account),
        feed[:1_000],
        feed[1_000:],
        latency_ms=300,
    )
    tape = tape_of(bars.tail(2_000), 300)
    run = simulate(tape, np.array(log.target, np.int8), rules, account)
    assert [(row, fill.side, fill.price, fill.qty, fill.fee_usdt) for row, fill in log.fills] == [
        (int(f["row"]), int(f["side"]), float(f["price"]), float(f["qty"]), float(f["fee_usdt"]))
        for f in run.fills
    ]
    np.testing.assert_array_equal(np.array(log.equity_usdt), run.equity_usdt)


def test_a_dead_head_is_refused_by_name(demo, run_decot):
    """The exit head is silenced after training: the verdict is refused and says which head."""
    home, _ = demo
    said = run_decot(
        "run", "--profile", "demo", "--home", str(home), "--zero-head", "exit", "--json", "--quiet"
    )
    assert said.code == 3, said.err[-2_000:]
    failed = {rule["name"]: rule["why"] for rule in said.json["gate"]["rules"] if not rule["passed"]}
    assert "head:exit" in failed
    assert "exit" in failed["head:exit"]
    assert said.json["trade"] is None


def test_a_market_without_an_edge_promotes_nobody(both):
    """The same generator, its signal cut off from the price: whatever is bred there is not promoted."""
    home, said = both[1]
    assert said.code in (3, 4), said.err[-2_000:]
    assert said.json["gate"]["verdict"] != "promoted"
    assert said.json["trade"] is None
    assert Registry(home / "registry").entries() == []


def test_an_uncertified_artefact_does_not_trade(demo, tmp_path, run_decot):
    """A finalist that nobody certified is not in the registry; its digest opens nothing."""
    home, said = demo
    finalist = next(p for p in (home / "artefacts").iterdir() if p.name != said.json["train"]["artefact"])
    refused = run_decot("trade", finalist.name, "--home", str(home))
    assert refused.code == 1
    assert "RegistryRefused" in refused.err
    entry = Registry(home / "registry").entries()[0]
    agent_json = entry.folder / "agent.json"
    whole = agent_json.read_text()
    try:
        agent_json.write_text(json.dumps({**json.loads(whole), "edited": True}))
        edited = run_decot("trade", entry.digest[:12], "--home", str(home))
    finally:
        agent_json.write_text(whole)
    assert edited.code == 1
    assert "CertificateRefused" in edited.err


def test_the_report_tells_the_run(demo):
    """One self-contained page: verdict, gate card, sentences in two languages, no address to fetch from."""
    page = Path(demo[1].json["report"]).read_text()
    assert "Promoted" in page
    assert "The gate" in page
    assert 'lang="fr"' in page
    assert "<script src=" not in page
    assert "<link" not in page
