"""The cheapest finished run there is: every room in this process, no engine, no news; and copies of it to tamper with."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from decot import clock
from decot.data.bars import build_bars
from decot.data.worlds import make_world
from decot.experiment import promote, stages, train
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import learn, open_context, widen
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.features.table import base_table
from decot.gate.certificate import issue
from decot.gate.keys import key_path, signing_key
from decot.gate.registry import Registry

SYMBOL, RUN = "BTC-USD", "20260107-000000-tiny"


@dataclass(frozen=True)
class Home:
    """A home folder with one finished run."""

    path: Path
    judged: dict[str, Any]
    """what the gate said the first time"""

    @property
    def artefact(self) -> Path:
        return self.path / "artefacts" / self.brief["artefact"]

    @property
    def brief_file(self) -> Path:
        return next(self.path.glob("gate/*/brief.json"))

    @property
    def brief(self) -> dict[str, Any]:
        return json.loads(self.brief_file.read_text())

    @property
    def ledger(self) -> Path:
        return self.path / "search" / self.brief["search"] / "ledger.jsonl"

    def change_brief(self, **changes: Any) -> None:
        self.brief_file.write_text(json.dumps({**self.brief, **changes}))

    def change_manifest(self, **changes: Any) -> None:
        """As an attacker would who leaves the weights alone."""
        file = self.artefact / "agent.json"
        whole = json.loads(file.read_text())
        whole["manifest"] |= changes
        file.write_text(json.dumps(whole))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_profile: Path) -> Home:
    """Bars, features, a search of two genomes, finalists, a judgement: some seconds."""
    home = tmp_path_factory.mktemp("finished")
    profile = home / "tiny.toml"
    shutil.copy(tiny_profile, profile)
    order = Order(profile=str(profile), home=str(home))
    experiment, place = Experiment.of(order), Place(home)
    tape = make_world(experiment.world)
    bars = pl.concat([build_bars(tape.day(day), experiment.clock_ms) for day in tape.days()])
    bars_ref = place.put("bars", bars, symbol=SYMBOL)
    context = learn(experiment, place, bars, None).name
    wide = widen(
        experiment, place, open_context(place, context), base_table(bars, experiment.features), bars, None
    )
    features = place.put("features", wide, symbol=SYMBOL, sources=(bars_ref,))
    searched = train.search(experiment, place, features, context)
    final = train.finish(experiment, place, features, context)
    judged = promote.judge(
        experiment,
        place,
        order,
        features,
        bars_ref,
        context,
        searched["folder"],
        final["artefact"],
        final["seeds"],
    )
    outcome = {
        "run_id": RUN,
        "train": {"artefact": final["artefact"]},
        "gate": {"verdict": judged["verdict"]},
    }
    (place.folder("runs", RUN) / "run.json").write_text(json.dumps(outcome))
    return Home(home, judged)


@pytest.fixture
def home(finished: Home, tmp_path: Path) -> Home:
    """A copy of the finished run; what is done to it is done to nobody else."""
    copy = tmp_path / "home"
    shutil.copytree(finished.path, copy)
    found = Home(copy, finished.judged)
    profile = copy / "tiny.toml"
    found.change_brief(order={**found.brief["order"], "profile": str(profile)})
    return found


@pytest.fixture
def certified(home):
    """The artefact of this home with a certificate, as if the gate had promoted it."""
    registry, now = Registry(home.path / "registry"), clock.now()
    held = [{**rule, "passed": True} for rule in home.judged["rules"]]
    entry = registry.add(home.artefact, now=now)
    key, expires = signing_key(key_path(home.path), now)
    issue(
        registry.certificate_of(entry.digest),
        artefact=entry.folder,
        verdict={"verdict": "promoted", "rules": held, "reasons": ["every rule holds."]},
        data=[home.brief["features"]],
        code=code_version(),
        config={},
        ledger_head=home.brief["ledger"]["head"],
        key=key,
        now=now,
        key_expires=expires,
    )
    assert stages.verified(Place(home.path), entry.digest)[1].stage == "paper"
    return home, registry, entry
