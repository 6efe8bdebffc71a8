"""`decot gate RUN` as a person uses it: the card, the JSON, the exit codes, the questions; and the mirror in W&B."""

from __future__ import annotations

import json

import pytest

RUN = "20260107-000000-tiny"


@pytest.fixture(scope="module")
def asked(finished, run_decot, tmp_path_factory):
    """Two calls in processes of their own: as it is, and what if the taker paid nothing."""
    words = ("gate", RUN, "--home", str(finished.path), "--json", "--quiet")
    out = tmp_path_factory.mktemp("cards") / "card.svg"
    return run_decot(*words), run_decot(*words, "--fee-bps", "0", "--out", str(out)), out


def test_a_finished_run_is_judged_again_bit_for_bit(finished, asked):
    """Exit code 3; verdict and every rule as the first time but the measured speed; reproduced in a fresh process."""
    said, _, _ = asked
    assert said.code == 3, said.err
    again = {rule["name"]: rule for rule in said.json["rules"]}
    for rule in finished.judged["rules"]:
        assert {"name", "figure", "bound", "passed", "why"} == again[rule["name"]].keys()
        if rule["name"] != "decision_latency":
            assert again[rule["name"]] == rule
    assert again["reproduced"]["passed"]
    assert said.json["verdict"] == "refused"


def test_a_question_is_counted_and_written_on_the_card(finished, asked):
    """The what-if is another attempt on the same rows, says so, and gets no certificate."""
    first, what_if, out = asked
    assert (first.json["attempt"], what_if.json["attempt"]) == (1, 2)
    assert what_if.json["looks"] == first.json["looks"] + 1
    assert "the taker paid 0 bps" in what_if.json["notes"]["what if"]
    assert "taker 0 bps" in what_if.json["notes"]["venue"]
    assert what_if.json["certificate"] == ""
    assert "none was given" in first.json["notes"]["other market"]
    assert out.read_text().startswith("<svg")
    lines = (finished.path / "attempts.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["payload"]["fee_bps"] == 0.0


def test_the_card_is_one_page(asked):
    """The page lies beside the brief: verdict first, both tables, the gate's own power, nothing fetched."""
    from pathlib import Path

    page = Path(asked[0].json["page"]).read_text()
    assert page.index("REFUSED") < page.index("net_profit")
    assert all(told in page for told in ("fees ×1.5", "latency ×5", "least squares", "power of the gate"))
    assert "<script" not in page
    assert len(asked[0].json["stress"]) == 9


def test_a_wrong_name_is_told_the_right_one(finished, run_decot):
    """Exit code 1, no traceback, the run that was meant."""
    said = run_decot("gate", "20260107-000000-tinu", "--home", str(finished.path))
    assert said.code == 1
    assert f"did you mean {RUN}" in said.err
    assert "Traceback" not in said.err
    from typer.testing import CliRunner

    from decot.cli.main import app

    empty = CliRunner().invoke(app, ["gate", "x", "--home", str(finished.path / "nowhere")])
    assert "holds no finished run" in empty.output
    assert CliRunner().invoke(app, ["gate", "x", "--out", "card.pdf"]).exit_code == 2


def test_another_market_as_evidence(home, tapes, monkeypatch):
    """A recorded market it has never seen is judged like the other day and named on the card; its own rows are not taken."""
    from decot.errors import ConfigError
    from decot.experiment import examine, promote
    from decot.experiment.promote import WhatIf, judge_again

    monkeypatch.setattr(promote, "in_fresh_process", lambda order, features, artefact: "another")
    tape = tapes / "hyperliquid-2025-09"
    judged = judge_again(home.path, RUN, WhatIf(also=str(tape)))
    named = {rule["name"] for rule in judged["rules"]}
    assert {"net_profit:other_market", "lower_bound:other_market", "oracle:other_market"} <= named
    assert "hyperliquid BTC-USD (hyperliquid-2025-09" in judged["notes"]["other market"]
    monkeypatch.setattr(examine, "quarters", lambda tape: ["the same rows"])
    with pytest.raises(ConfigError, match="taught or is judged on"):
        judge_again(home.path, RUN, WhatIf(also=str(tape)))
