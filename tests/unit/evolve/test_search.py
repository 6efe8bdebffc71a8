"""A search is a function of its seed: stopped anywhere, it ends the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from decot.errors import ConfigError, LedgerBroken, ModelFault
from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.pareto import dominates
from decot.evolve.search import SearchConfig, search
from decot.evolve.trial import Evaluation, read_orders

CFG = SearchConfig(generations=3, population=4, trials=3, rungs=(0.5, 1.0), subject="unit")


def fitness(genome, params, seed, trial_dir):
    """Cheap: wide filters earn, many questions explain, and the learning rate has an optimum."""
    orders = read_orders(trial_dir)
    luck = (seed % 1000) / 1e4
    profit = genome.conv_filters / 64 - abs(params["learning_rate"] - 3e-3) * 50 + luck
    Path(trial_dir, "model.json").write_text(json.dumps({"budget": orders.budget}))
    return Evaluation(
        profit=profit * orders.budget,
        explanation=len(genome.questions) / 9 - genome.conv_filters / 200,
        proxy=profit,
        period_pnl=[profit, profit + 1.0, luck],
        env_steps=int(100 * orders.budget),
        artefact=trial_dir,
        notes={"parents": len(orders.parents), "resumed": bool(orders.resume_dir)},
    )


def run(folder, cfg=CFG, fit=fitness, **more):
    return search(fit, cfg, Ledger(folder / "ledger.jsonl", fsync=False), folder / "work", **more)


def told(result):
    return [(m.key, m.genome, m.params, m.point, m.again) for m in result.front], result.ledger_head


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


def test_the_same_seed_is_the_same_search(whole, tmp_path):
    """Front and ledger head are equal in two folders; another seed differs."""
    assert told(run(tmp_path / "again")) == told(whole)
    assert told(run(tmp_path / "other", replace(CFG, seed=8))) != told(whole)


def test_every_evaluation_is_in_the_ledger(whole, tmp_path):
    """Trials of both rungs and the elites' repetitions are counted, and the counts agree."""
    result = run(tmp_path)
    summary = Ledger.verify(tmp_path / "ledger.jsonl")
    roles = [line.payload["role"] for line in Ledger(tmp_path / "ledger.jsonl").lines("trial")]
    assert summary.n_trials == result.trials == len(summary.sharpes)
    assert summary.kinds["generation"] == 3
    assert roles.count("again") == 2  # one elite in each generation after the first
    assert result.individuals <= 12
    climbed = sum(
        line.payload["key"].endswith("r1") for line in Ledger(tmp_path / "ledger.jsonl").lines("trial")
    )
    assert climbed == 3 * 2  # one individual in three of each generation's four
    assert result.trials == result.individuals * 3 + climbed + 2
    assert result.front[0].artefact.startswith(str(tmp_path.resolve()))


@pytest.mark.parametrize("n_lines", [1, 2, 7, 17, 18, 19, 30])
@pytest.mark.parametrize("with_checkpoint", [True, False])
def test_an_interrupted_search_resumes_to_the_same_end(whole, tmp_path, n_lines, with_checkpoint):
    """Stopped after any number of lines, with its checkpoint or with the ledger alone: same front, same head, and no
    trial is run twice."""
    calls = []

    def stopping(genome, params, seed, trial_dir):
        calls.append(trial_dir)
        if len(calls) == n_lines:
            raise KeyboardInterrupt
        return fitness(genome, params, seed, trial_dir)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, fit=stopping)
    if not with_checkpoint:
        for path in (tmp_path / "work").glob("*/generation.json"):
            path.unlink()
    n_lines = 10_000
    assert told(run(tmp_path, fit=stopping)) == told(whole)
    assert len(calls) == whole.trials + 1
    assert len(set(calls)) == whole.trials


def test_spread_and_share_resume_as_well(tmp_path):
    """Children that stand beside their parents and know all trials before: stopped and rebuilt, the same end; and both
    choices change what is asked."""
    cfg = replace(CFG, trials=2, spread=0.1, share=True)
    once = run(tmp_path / "once", cfg)
    half = run(tmp_path / "twice", replace(cfg, generations=2))
    next((tmp_path / "twice" / "work").glob("*/generation.json")).unlink()
    assert half.ledger_head != once.ledger_head
    assert told(run(tmp_path / "twice", cfg)) == told(once)
    asked = {}
    for name, more in {"plain": {}, "spread": {"spread": 0.1}, "share": {"share": True}}.items():
        run(tmp_path / name, replace(CFG, **more))
        lines = Ledger(tmp_path / name / "ledger.jsonl").lines("trial")
        first, third = (
            {
                line.payload["key"][:11]: line.payload["params"]
                for line in lines
                if f"-t0{nth}-r0" in line.payload["key"]
            }
            for nth in (0, 2)
        )
        asked[name] = first["g001-i00-t0"], third["g001-i00-t0"]
    assert asked["spread"][0] != asked["plain"][0] == asked["share"][0]  # the parent's own, or beside it
    assert asked["share"][1] != asked["plain"][1]  # what nobody enqueued


def test_founders_may_be_trained_whole(tmp_path):
    """Who begins from nothing is not ranked on a low rung; its children are, and a rebuilt search ends the same."""
    cfg = replace(CFG, trials=1, founders_whole=True, elites=0)
    once = run(tmp_path / "once", cfg)
    budgets = {}
    for line in Ledger(tmp_path / "once" / "ledger.jsonl").lines("trial"):
        budgets.setdefault(line.payload["key"][:4], []).append(line.payload["budget"])
    assert budgets["g000"] == [1.0] * 4
    assert set(budgets["g001"]) == {0.5, 1.0}
    assert once.env_steps == sum(
        line.payload["evaluation"]["env_steps"]
        for line in Ledger(tmp_path / "once" / "ledger.jsonl").lines("trial")
    )
    run(tmp_path / "twice", replace(cfg, generations=1))
    assert told(run(tmp_path / "twice", cfg)) == told(once)


def test_settings_that_came_later_leave_a_search_its_name():
    """A search begun before there were `spread` and `share` is found again; used, they make it another."""
    assert SearchConfig().identity == "7205e61b7649"
    assert (
        len(
            {
                SearchConfig(**more).identity
                for more in ({}, {"spread": 0.1}, {"share": True}, {"founders_whole": True})
            }
        )
        == 4
    )
    with pytest.raises(ConfigError, match="spread 1.5"):
        SearchConfig(spread=1.5)


def test_a_finished_search_is_read_not_run(tmp_path, whole):
    """Called again it answers from the ledger; asked for more generations it goes on."""
    run(tmp_path)

    def forbidden(*args):
        raise AssertionError("nothing is left to run")

    assert told(run(tmp_path, fit=forbidden)) == told(whole)
    longer = run(tmp_path, replace(CFG, generations=4))
    assert longer.hypervolumes[:3] == whole.hypervolumes
    assert len(longer.hypervolumes) == 4


def test_children_inherit_and_enqueue_only_when_told(tmp_path):
    """Parents' artefacts and best parameters reach the children, and each can be switched off."""
    run(tmp_path / "on")
    lines = Ledger(tmp_path / "on/ledger.jsonl").lines("trial")
    children = [line.payload for line in lines if line.payload["key"].startswith("g001")]
    assert all(c["evaluation"]["notes"]["parents"] > 0 for c in children)
    parents = [line.payload["params"] for line in lines if line.payload["key"].startswith("g000")]
    assert children[0]["params"] in parents

    run(tmp_path / "off", replace(CFG, inherit=False, enqueue=False))
    lines = Ledger(tmp_path / "off/ledger.jsonl").lines("trial")
    children = [line.payload for line in lines if line.payload["key"].startswith("g001")]
    assert all(c["evaluation"]["notes"]["parents"] == 0 for c in children if c["role"] == "trial")
    parents = [line.payload["params"] for line in lines if line.payload["key"].startswith("g000")]
    assert not any(c["params"] in parents for c in children if c["role"] == "trial")


def test_only_the_best_by_proxy_climb_and_from_their_checkpoint(tmp_path):
    """Inside each individual: one trial of three reaches the full budget, told where to continue, and it is the best of
    the rung."""
    run(tmp_path, replace(CFG, generations=1, across=False))
    lines = [line.payload for line in Ledger(tmp_path / "ledger.jsonl").lines("trial")]
    for individual in range(4):
        own = [p for p in lines if p["key"].startswith(f"g000-i{individual:02d}")]
        low = [p for p in own if p["key"].endswith("r0")]
        high = [p for p in own if p["key"].endswith("r1")]
        assert (len(low), len(high)) == (3, 1)
        assert high[0]["evaluation"]["notes"]["resumed"]
        assert high[0]["params"] == max(low, key=lambda p: p["evaluation"]["proxy"])["params"]


def test_across_a_generation_the_dominated_stay_behind(tmp_path):
    """Halving across the generation: those that climb are not dominated by the best trial of one that stays."""
    run(tmp_path, replace(CFG, generations=1, population=6, eta=2))
    lines = [line.payload for line in Ledger(tmp_path / "ledger.jsonl").lines("trial")]
    best = {}
    for payload in lines:
        own, found = payload["key"][:8], payload["evaluation"]
        if payload["key"].endswith("r0") and found["proxy"] > best.get(own, {"proxy": -9e9})["proxy"]:
            best[own] = found
    climbed = {p["key"][:8] for p in lines if p["key"].endswith("r1")}
    assert len(climbed) == 3
    point = {own: (found["profit"], found["explanation"]) for own, found in best.items()}
    stayed = set(best) - climbed
    assert not any(dominates(point[a], point[b]) and point[b] != point[a] for a in stayed for b in climbed)


def test_a_failed_model_is_a_counted_trial_and_never_in_the_front(tmp_path):
    """A ModelFault is written down and the search goes on; when all fail it says so."""

    def shaky(genome, params, seed, trial_dir):
        if genome.algorithm == "grpo":
            raise ModelFault("loss is not finite")
        return fitness(genome, params, seed, trial_dir)

    result = run(tmp_path / "some", replace(CFG, population=6, generations=1), fit=shaky)
    assert all(m.genome.algorithm != "grpo" for m in result.members)
    assert Ledger.verify(tmp_path / "some/ledger.jsonl").n_trials == result.trials

    def broken(*args):
        raise ModelFault("no")

    with pytest.raises(ModelFault, match="all 12 trials"):
        run(tmp_path / "all", fit=broken)


def test_a_changed_past_is_refused(tmp_path):
    """A ledger whose trials are not what this search would have asked stops it; so does a bad config."""
    run(tmp_path, replace(CFG, generations=1))
    other = tmp_path / "other"
    forged = Ledger(other / "ledger.jsonl", fsync=False)
    for line in Ledger(tmp_path / "ledger.jsonl").lines():
        seed = {"seed": 1} if line.kind == "trial" else {}
        forged.append(line.kind, {**line.payload, **seed})
    with pytest.raises(LedgerBroken, match="is not what this search would write"):
        run(other, CFG)
    with pytest.raises(ConfigError, match="(?s)population 0.*rungs"):
        SearchConfig(population=0, rungs=(0.5,))


def test_founders_come_first_and_progress_is_counted(tmp_path):
    """A given genome opens the search, and the progress reaches its plan in every generation."""
    seen = []
    cfg = replace(CFG, founders=(Genome(conv_filters=48, questions=("flow", "outlook", "risk")),))
    run(tmp_path, cfg, on_progress=seen.append)
    first = Ledger(tmp_path / "ledger.jsonl").lines("trial")[0].payload["genome"]
    assert first["conv_filters"] == 48
    assert all(p.trials <= p.trials_planned for p in seen)
    ends = [p for p, q in zip(seen, [*seen[1:], None]) if q is None or q.generation != p.generation]
    assert [p.trials for p in ends] == [p.trials_planned for p in ends]
    assert seen[-1].total_trials == len(seen)


def test_the_working_directory_may_move(tmp_path, whole):
    """Ledger and checkpoint name no absolute path: a search moved elsewhere goes on there."""
    run(tmp_path / "a", replace(CFG, generations=2))
    shutil.move(tmp_path / "a", tmp_path / "b")
    result = run(tmp_path / "b")
    assert told(result) == told(whole)


@pytest.mark.parametrize("damage", ["{", '{"search": "another"}', "older"])
def test_a_checkpoint_that_cannot_be_used_is_passed_over(tmp_path, whole, damage):
    """Torn, foreign or of an older version: the search is rebuilt from the ledger and ends the same."""
    run(tmp_path, replace(CFG, generations=2))
    path = next((tmp_path / "work").glob("*/generation.json"))
    if damage == "older":
        found = json.loads(path.read_text())
        del found["individuals"][0]["trials"][0]["point"]
        damage = json.dumps(found)
    path.write_text(damage)
    assert told(run(tmp_path)) == told(whole)


def test_every_gene_is_a_choice_of_the_identity():
    """Any setting that decides what a trial is makes another search; how long and where it runs does not."""
    assert replace(CFG, generations=9, storage="sqlite://").identity == CFG.identity
    for change in ({"seed": 8}, {"trials": 4}, {"subject": "other"}, {"inherit": False}, {"elites": 0}):
        assert replace(CFG, **change).identity != CFG.identity
