"""The attack suite on real files: a finished run, tampered with in every way we know, is refused with the reason named.

The control (nobody touched it) fails none of the rules that the attacks fail. What an attacker's agent would decide is
put in its place (`decides`); everything else is read from the files.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from decot import clock
from decot.errors import CertificateRefused, CheckpointRefused, ConfigError, LakeBroken, LedgerBroken
from decot.evolve.ledger import seal_path
from decot.experiment import examine, promote, school, stages
from decot.experiment.artefact import silence
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.experiment.promote import WhatIf, judge_again
from decot.gate.conduct import conduct_rules
from decot.gate.config import GateConfig
from decot.gate.figures import Evidence
from decot.gate.keys import key_path, rotate_key
from decot.gate.signed import revoke
from decot.market.oracle import oracle
from decot.market.rules import load_rules
from decot.model.checkpoint import load, read, save
from decot.rl.faithful import word_report
from decot.rl.heads import head_report
from schemas.ref import Ref

RUN = "20260107-000000-tiny"
CONTROL_FAILS: dict[str, set[str]] = {}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The fresh process answers at once; that it answers at all is tested in test_judged_again.py."""
    told = lambda order, features, artefact: promote.other_day_digest(  # noqa: E731
        Experiment.of(order), Place(order.home), features, artefact
    )
    monkeypatch.setattr(promote, "in_fresh_process", told)


def rules_of(home, asked: WhatIf | None = None) -> dict[str, dict]:
    judged = judge_again(home.path, RUN, asked)
    assert judged["verdict"] != "promoted"
    assert judged["certificate"] == ""
    return {rule["name"]: rule for rule in judged["rules"]}


def names(home, *wanted: str, asked: WhatIf | None = None) -> str:
    """The sentence of the first of `wanted`, all of which fail now and did not fail before."""
    found, before = rules_of(home, asked), {rule["name"]: rule for rule in home.judged["rules"]}
    assert all(before[name]["passed"] for name in wanted if name in before), "the control fails it too"
    assert not any(found[name]["passed"] for name in wanted)
    return found[wanted[0]]["why"]


def test_the_control(home):
    """Untouched, the files give the figures of the first time, bit for bit; only speed is measured anew."""
    found = rules_of(home)
    for rule in home.judged["rules"]:
        if rule["name"] != "decision_latency":
            assert found[rule["name"]] == rule
    assert all(found[name]["passed"] for name in ("reproduced", "manifest", "feature_leaks", "ledger"))


# -- files --


def test_a_leaked_feature(home):
    """A column that knows the next minute, slipped into the lake and trained on: it is not what the bars give."""
    place, old = Place(home.path), Ref.from_dict(home.brief["features"])
    frame = place.get(old)
    mid = frame["close"].to_numpy()
    ahead = np.log(np.r_[mid[60:], np.full(60, mid[-1])] / mid)
    leaked = place.lake.put(
        "features", frame.with_columns(imb_5=pl.Series(np.clip(ahead * 500, -1, 1))), symbol=old.symbol
    )
    home.change_brief(features=leaked.to_dict())
    home.change_manifest(data=[leaked.to_dict()])
    assert "imb_5 (stored values" in names(home, "feature_leaks")


def test_a_stale_data_version(home):
    """Judged on a newer version of the table than it was trained on: both versions are named."""
    place, old = Place(home.path), Ref.from_dict(home.brief["features"])
    newer = place.lake.put("features", place.get(old).head(10_000), symbol=old.symbol)
    bars = Ref.from_dict(home.brief["bars"])
    fewer = place.lake.put("bars", place.get(bars).head(10_000), symbol=bars.symbol)
    home.change_brief(features=newer.to_dict(), bars=fewer.to_dict())
    assert "features version 0" in (told := names(home, "manifest"))
    assert "features version 1" in told


def test_bytes_changed_in_the_lake(home):
    """The stored rows are not those that were judged."""
    file = next((home.path / "lake" / "features").rglob("*.parquet"))
    frame = pl.read_parquet(file)
    frame.with_columns(close=pl.col("close") * 1.0001).write_parquet(file)
    with pytest.raises(LakeBroken, match="digest|changed|read"):
        judge_again(home.path, RUN)


@pytest.mark.parametrize("key", ["schema", "clock_ms", "context"])
def test_another_schema(home, key):
    """Made for other columns, another clock, another context: the manifest says so."""
    home.change_manifest(**{key: 100 if key == "clock_ms" else "f00"})
    assert f"{key}: trained with" in names(home, "manifest")


def test_model_bytes_flipped(home):
    """One bit of one weight, and the artefact is refused before it decides anything."""
    file = home.artefact / "agent.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-3] ^= 1
    file.write_bytes(raw)
    with pytest.raises(CheckpointRefused, match="weights: "):
        judge_again(home.path, RUN)


def test_another_model_under_the_same_name(home):
    """Weights and their hash exchanged together: the account is not the one that was judged first."""
    agent, manifest = load(home.artefact)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.mul_(-3.0)
    save(home.artefact, agent, manifest)
    assert "another P&L" in names(home, "reproduced")


def _edited(text: list[str]) -> list[str]:
    return [text[0], text[1].replace('"role":"trial"', '"role":"never"'), *text[2:]]


TAMPERED: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "trimmed": (lambda text: text[:-1], "trimmed"),
    "a trial taken out": (lambda text: text[:1] + text[2:], "removed"),
    "edited": (_edited, "line 2 was edited"),
    "reordered": (lambda text: [text[0], text[2], text[1], *text[3:]], "reordered"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_ledger_tampered_with(home, how):
    """Lines trimmed, removed, edited, reordered: what was tried cannot be counted, and the line is named."""
    change, told = TAMPERED[how]
    home.ledger.write_text("".join(line + "\n" for line in change(home.ledger.read_text().splitlines())))
    with pytest.raises(LedgerBroken, match=told):
        judge_again(home.path, RUN)


def test_a_ledger_trimmed_with_its_seal(home):
    """Who trims the ledger and seals it anew is caught by the copy of the head that the first judgement kept."""
    text = home.ledger.read_text().splitlines()[:-1]
    home.ledger.write_text("".join(line + "\n" for line in text))
    sealed = {"count": len(text), "hash": json.loads(text[-1])["hash"], "pending": ""}
    seal_path(home.ledger).write_text(json.dumps(sealed))
    with pytest.raises(LedgerBroken, match="when the agent was judged first"):
        judge_again(home.path, RUN)


def test_an_unlucky_seed_left_out(home):
    """Only the good retrainings are put before the gate: the ledger remembers the others."""
    home.change_brief(seeds=home.brief["seeds"][:1])
    assert "left out" in names(home, "manifest")


def test_attempts_trimmed(home):
    """Taking the list of attempts away does not give back the alpha that was spent."""
    file = home.path / "attempts.jsonl"
    file.write_text("")
    with pytest.raises(LedgerBroken, match="trimmed"):
        judge_again(home.path, RUN)


def test_a_profile_made_kinder(home):
    """Other bounds, another venue after the fact: each changed choice is named, and a looser bound is no bound."""
    profile = Path(home.brief["order"]["profile"])
    kinder = profile.read_text().replace('venue = "demo"', 'venue = "zero-fee"')
    profile.write_text(kinder + "\n[gate]\ntrades_min = 2\npbo_max = 0.9\n")
    found = rules_of(home)
    assert "market.venue: 'demo' when it was judged first, 'zero-fee' now" in found["manifest"]["why"]
    assert "pbo_max 0.9 (house 0.2)" in found["house_bounds"]["why"]
    assert not found["house_bounds"]["passed"]


# -- heads and words --


def lessons_of(home):
    """The home's other day, as it is put before an agent."""
    _, _, manifest = read(home.artefact)
    experiment, place = Experiment.of(Order(**home.brief["order"])), Place(home.path)
    return school.rejoin(experiment, place.get(Ref.from_dict(home.brief["features"])), manifest).other


def rules_on(**changes) -> dict[str, dict]:
    """The rules of conduct on nothing but heads or words."""
    return {rule.name: rule.as_json() for rule in conduct_rules(replace(EMPTY, **changes), GateConfig())}


def _empty() -> Evidence:
    from decot.gate.figures import Baselines, Stretch

    nothing = Stretch(name="other day", period_bps=np.zeros(10))
    return Evidence(
        capital_usdt=19.0,
        validation=nothing,
        other_day=nothing,
        delayed=nothing,
        baselines=Baselines(buy_hold=nothing, random_bps=np.empty(0)),
        trials=np.empty((0, 0)),
        n_trials=0,
    )


EMPTY = _empty()


def test_each_dead_head_is_named(finished):
    """Policy, value, exit, the five forecasts and every question, silenced one by one in the real artefact."""
    agent, part = load(finished.artefact)[0], lessons_of(finished)
    lesson, steps = part.lesson.slice(0, 1_500), part.steps.slice(0, 1_500)
    known = [check.name for check in head_report(agent, lesson, steps, n_permutations=60, seed=7)]
    assert {"policy", "value", "exit", "future_max_dd", "outlook"} <= set(known)
    missed = []
    for head in known:
        silenced, _ = load(finished.artefact)
        silence(silenced, head)
        checks = head_report(silenced, lesson, steps, n_permutations=60, seed=7)
        rule = rules_on(heads=tuple(examine.head_figure(check) for check in checks))[f"head:{head}"]
        if rule["passed"] or f"head {head}: dead" not in rule["why"]:
            missed.append(head)
    assert missed == []


def test_words_shuffled(finished):
    """Words that are true, then the same words at other times: as many of each, and no better than chance."""
    agent, part = load(finished.artefact)[0], lessons_of(finished)
    report, truth = word_report(agent, part.lesson, n_sentences=20), part.lesson.words
    noise = np.random.default_rng(1)
    said = np.where(noise.random(truth.shape) < 0.8, truth, noise.permutation(truth, axis=0))
    honest = replace(examine.word_figures(report, said, truth), intervention=1.0)
    moved = replace(examine.word_figures(report, noise.permutation(said, axis=0), truth), intervention=1.0)
    assert all(rules_on(words=honest)[name]["passed"] for name in ("words:accuracy", "words:over_chance"))
    failed = rules_on(words=moved)["words:over_chance"]
    assert not failed["passed"]
    assert "than of shuffled words" in failed["why"]


def test_always_the_commonest_word(finished):
    """Who always says the commonest word may be right often, and is no better than chance."""
    agent, part = load(finished.artefact)[0], lessons_of(finished)
    report, truth = word_report(agent, part.lesson, n_sentences=20), part.lesson.words
    commonest = np.array([np.bincount(column).argmax() for column in truth.T], np.int8)
    figures = examine.word_figures(report, np.tile(commonest, (len(truth), 1)), truth)
    assert not rules_on(words=figures)["words:over_chance"]["passed"]
    assert figures.accuracy == pytest.approx(figures.shuffled)


# -- decisions --


@pytest.fixture
def decides(monkeypatch):
    """Put a rule in the place of what the agent decides: (part) → targets."""

    def put(rule: Callable[[school.Part], np.ndarray]) -> None:
        monkeypatch.setattr(promote, "targets_on", lambda experiment, agent, part: rule(part))
        monkeypatch.setattr(examine, "targets_on", lambda experiment, agent, part: rule(part))

    return put


def held(part, rows: slice) -> np.ndarray:
    targets = np.zeros(len(part.tape), np.int8)
    targets[rows] = 1
    return targets


def hindsight(part, fee_bps: float = 4.0) -> np.ndarray:
    rules = replace(load_rules("demo", "BTC-USD"), taker_bps=fee_bps, maker_bps=min(1.0, fee_bps))
    best = oracle(part.tape, rules, 1e-4).positions
    return np.asarray(best, np.int8)[: len(part.tape)]


def test_who_knows_the_future_makes_too_much(home, decides):
    """Decisions by hindsight reach what nobody can who does not see the future."""
    decides(hindsight)
    assert "does not see the future" in names(home, "oracle:other_day", "oracle:validation")


def test_above_the_oracle(home, decides, monkeypatch):
    """A simulator with a bug that pays more than hindsight allows: the alarm calls it a bug or a leak."""
    decides(hindsight)
    from decot.gate import evidence

    honest = evidence.bound_of
    monkeypatch.setattr(evidence, "bound_of", lambda run, tape, rules: 0.5 * honest(run, tape, rules))
    assert "a bug or a leak" in names(home, "oracle:other_day")


def test_a_lucky_single_trade(home, decides):
    """In the market for the best quarter of an hour of each day, and never else: one trade says nothing."""

    def lucky(part):
        mid = part.tape.mid
        start = int(np.argmax(mid[900:] - mid[:-900]))
        return held(part, slice(start, start + 900))

    decides(lucky)
    found = rules_of(home)
    assert found["net_profit:other_day"]["passed"]
    assert not found["not_one_trade"]["passed"]
    assert "without that one lucky trade nothing is left" in found["not_one_trade"]["why"]


def test_profit_only_on_the_tuning_day(home, decides):
    """Hindsight where the search looked, a coin where it did not: the other day says no."""
    coin = np.random.default_rng(3)
    decides(
        lambda part: (
            hindsight(part)
            if part.name == "validation"
            else np.repeat(coin.integers(-1, 2, len(part.tape) // 30 + 1), 30)[: len(part.tape)].astype(
                np.int8
            )
        )
    )
    found = rules_of(home)
    assert found["net_profit:validation"]["passed"]
    assert not found["net_profit:other_day"]["passed"]
    assert found["net_profit:other_day"]["why"].startswith("other day: -")


def test_profit_only_at_zero_fees(home, decides):
    """Rich at zero fees, poor at the venue's: refused at the venue's with the reason; the what-if certifies nothing."""
    decides(lambda part: hindsight(part, 0.0))
    free = rules_of(home, WhatIf(fee_bps=0.0))
    assert free["net_profit:other_day"]["passed"]
    found = rules_of(home, WhatIf(fee_bps=20.0))
    assert not found["net_profit:other_day"]["passed"]
    assert "costs eat the whole edge" in found["net_profit:other_day"]["why"]


def test_fractional_lots(home, decides, monkeypatch):
    """An edge that needs a fraction of what the venue sells is no edge: every order is refused."""
    decides(hindsight)
    coarse = replace(load_rules("demo", "BTC-USD"), lot=0.001, min_qty=0.001)
    monkeypatch.setattr(school, "load_rules", lambda venue, symbol: coarse)
    found = rules_of(home)
    assert not found["venue_rules"]["passed"]
    assert "lot, minimum notional, margin" in found["venue_rules"]["why"]
    assert not found["net_profit:other_day"]["passed"]


# -- certificates --


def refused(certified, told: str) -> None:
    home, _, entry = certified
    with pytest.raises(CertificateRefused, match=told):
        stages.verified(Place(home.path), entry.digest)


def test_a_certificate_edited(certified):
    """A longer life, another stage: every word is under the signature."""
    path = certified[1].certificate_of(certified[2].digest)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "body": {**whole["body"], "stage": "live"}}))
    refused(certified, "edited after it was signed")


def test_a_certificate_forged(certified):
    """Signed by a key of one's own."""
    _, registry, entry = certified
    path = registry.certificate_of(entry.digest)
    whole = json.loads(path.read_text())
    whole["signature"] = base64.b64encode(bytes(64)).decode()
    path.write_text(json.dumps(whole))
    refused(certified, "edited after it was signed")
    path.unlink()
    refused(certified, "there is no certificate")


def test_certified_bytes_flipped(certified):
    """The stored object is not the one that was certified."""
    file = certified[2].folder / "agent.safetensors"
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    refused(certified, "its bytes were changed")


def test_a_key_expired(certified, monkeypatch):
    """A certificate ends with its thirty days, and with its key's year."""
    now = datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=31))
    refused(certified, "expired .*judge the agent again")
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=400))
    refused(certified, "its signing key .* expired")


def test_a_key_revoked_or_rotated(certified):
    """A lost key is revoked by name; a rotated one is trusted by nobody."""
    home, registry, _ = certified
    signer = next(iter(registry.signers().values()))["key_id"]
    revoke(registry.revocations, signer, "laptop lost")
    refused(certified, f"key {signer} was revoked: laptop lost")
    registry.revocations.unlink()
    rotate_key(key_path(home.path))
    refused(certified, f"signed with key {signer}")


def test_other_code_than_was_certified(certified, monkeypatch):
    """The certificate names the code; another version of it is another agent."""
    monkeypatch.setattr(stages, "code_version", lambda: "0" * 64)
    refused(certified, "code was")


# -- who asks --


def test_a_run_that_is_not_there(home):
    """The error names the run that was meant, and those there are."""
    with pytest.raises(ConfigError, match=f"did you mean {RUN}"):
        judge_again(home.path, "20260107-000000-tin0")
    with pytest.raises(ConfigError, match="--fee-bps -1 is not a fee"):
        judge_again(home.path, RUN, WhatIf(fee_bps=-1.0, also="/nowhere"))
