"""Enrich: `context` learns regimes and reads news on the training rows; `features` widens the table with them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot.context.aggregate import Projector, aggregate
from decot.context.regime_model import RegimeModel
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.context.text import TextEncoder
from decot.context.text_config import Encoded, TextConfig
from decot.context.tiny_text import build_tiny_cryptobert
from decot.errors import CheckpointRefused
from decot.experiment import news, refit
from decot.experiment.config import Experiment
from decot.experiment.parts import split
from decot.experiment.place import Place
from decot.features.batch import compute
from decot.features.table import features_table
from decot.report.progress import say
from schemas.ref import Ref


@dataclass(frozen=True, slots=True)
class Context:
    """What was learnt about the surroundings, as it lies in `contexts/<name>/context.json`."""

    name: str
    regimes: RegimeModel
    projector: Projector | None
    """absent when no headline was there while the tape taught: text_* are masked then, sentiment is not"""
    text_model: str
    """name of the encoder; empty when the tape has no news at all"""
    is_stand_in: bool
    encoder_identity: str

    def text_summary(self, experiment: Experiment, headlines: pl.DataFrame | None) -> dict[str, Any]:
        """Which encoder read the news, whether it is a stand-in, and how much of the news it may have seen before."""
        return {
            "model": self.text_model or "none (no news, or no encoder is set)",
            "projected": self.projector is not None,
            "is_stand_in": self.is_stand_in,
            **news.figures(experiment, headlines, self.is_stand_in),
        }


def learn(
    experiment: Experiment, place: Place, bars: pl.DataFrame, headlines: pl.DataFrame | None, symbol: str = ""
) -> Context:
    """Fit what needs fitting on the training rows alone, and put it away under the hash of its contents.

    With a `symbol`, its states are compared with those of the context learnt for it before (see `refit`).
    """
    parts = split(bars["timestamp"].to_numpy(), experiment.split, experiment.clock_ms)
    taught = bars[parts.train]
    say("enrich", 0, 4, "learning regimes")
    regimes_cfg = replace(experiment.regimes, seed=experiment.seed)
    model = fit(inputs_of(taught, regimes_cfg), regimes_cfg)
    say("enrich", 1, 4, f"{model.n_states} regimes")
    projector, encoder = None, None
    past = (
        None
        if headlines is None
        else headlines.filter(pl.col("available_ms") <= int(taught["timestamp"][-1]))
    )
    if past is not None and headlines is not None and headlines.height and reads_news(experiment):
        encoder = open_encoder(experiment, place)
        if past.height:
            projector = Projector.fit(encoder.encode(past["text"].to_list()).embedding)
        say(
            "enrich", 2, 4, news.told(experiment, headlines, past.height, _name(encoder), encoder.is_stand_in)
        )
    body = {
        "regimes": json.loads(model.to_json()),
        "projector": json.loads(projector.to_json()) if projector else None,
        "text_model": _name(encoder) if encoder else "",
        "is_stand_in": encoder.is_stand_in if encoder else False,
        "encoder_identity": encoder.identity if encoder else "",
    }
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = place.folder("contexts", name) / "context.json"
    draft = file.with_suffix(".part")
    draft.write_text(text)
    os.replace(draft, file)
    if symbol:
        refit.remember(place, symbol, name, model)
    return open_context(place, name)


def open_context(place: Place, name: str) -> Context:
    """What `learn` put away.

    Raises:
        CheckpointRefused: it is not there, or its contents are not what its name says.
    """
    file = place.home / "contexts" / name / "context.json"
    if not file.is_file():
        raise CheckpointRefused(f"context {name} is not under {file.parents[1]}; run enrich again")
    text = file.read_text()
    if hashlib.sha256(text.encode()).hexdigest()[:16] != name:
        raise CheckpointRefused(
            f"{file} was changed after it was learnt; delete its folder and run enrich again"
        )
    body = json.loads(text)
    projector = Projector.from_json(json.dumps(body["projector"])) if body["projector"] else None
    regimes = RegimeModel.from_json(json.dumps(body["regimes"]))
    return Context(
        name, regimes, projector, body["text_model"], body["is_stand_in"], body["encoder_identity"]
    )


def reads_news(experiment: Experiment) -> bool:
    """False when the profile says `text.model = ""`: headlines are kept then, and their columns masked."""
    return bool(os.environ.get("DECOT_TEXT_MODEL", "") or experiment.text_stand_in or experiment.text.model)


def open_encoder(experiment: Experiment, place: Place) -> TextEncoder:
    """The configured encoder, or the small one built on the spot where the profile says so.

    `DECOT_TEXT_MODEL` names another folder or hub model. Raises MissingWeights when weights are not here.
    """
    cfg = replace(experiment.text, cache=experiment.text.cache or str(place.folder("text", "cache")))
    chosen = os.environ.get("DECOT_TEXT_MODEL", "")
    if chosen:
        return TextEncoder.open(chosen, cfg)
    if experiment.text_stand_in:
        return TextEncoder.open(_stand_in(place), cfg)
    return TextEncoder.open(cfg.model, cfg)


def _name(encoder: TextEncoder) -> str:
    """What people are told; the folder's last name, so that it says nothing of this machine."""
    if encoder.is_stand_in:
        return f"a stand-in for {encoder.card['stands_in_for']}"
    model = str(encoder.card["name"])
    folder = Path(model)
    if not folder.is_dir():
        return model
    return folder.resolve().parent.name if folder.name in ("model", "") else folder.name


def _stand_in(place: Place) -> Path:
    folder = place.home / "text" / "stand-in"
    if not (folder / "config.json").is_file():
        say("enrich", 1, 4, "building a small three-label news model on the spot (a stand-in, named as such)")
        place.folder("text")
        build_tiny_cryptobert(folder)
    return folder


def widen(
    experiment: Experiment,
    place: Place,
    context: Context,
    base: pl.DataFrame,
    bars: pl.DataFrame,
    headlines: pl.DataFrame | None,
    outside: Mapping[str, np.ndarray] | None = None,
) -> pl.DataFrame:
    """The features table: what the kernel, the regime filter and the news say of each bar, as known at its end.

    `outside` holds the columns that came over MCP (`listen.columns`); without them they are masked.
    """
    matrix = compute(bars, replace(experiment.features, clock_ms=experiment.clock_ms))
    around = {**surroundings(experiment, place, context, bars, headlines), **(outside or {})}
    say("enrich", 3, 4, f"{len(around)} columns around the market")
    wide = features_table(base, matrix, around)
    say("enrich", 4, 4, f"{wide.width} columns")
    return wide


def surroundings(
    experiment: Experiment,
    place: Place,
    context: Context,
    bars: pl.DataFrame,
    headlines: pl.DataFrame | None,
) -> dict[str, np.ndarray]:
    """Regime posteriors and, where there is news, its columns; (T,) each."""
    weights = posteriors(context.regimes, inputs_of(bars, experiment.regimes))
    found: dict[str, np.ndarray] = {f"regime_{k}": weights[:, k] for k in range(weights.shape[1])}
    if headlines is None or headlines.height == 0 or not context.encoder_identity:
        return found
    encoder = open_encoder(experiment, place)
    encoded = same_encoder(encoder, context).encode(headlines["text"].to_list())
    return {**found, **_read(headlines, encoded, bars, experiment.text, context.projector)}


def inputs_of(bars: pl.DataFrame, cfg: RegimeConfig) -> np.ndarray:
    """What the regime filter sees of each bar; a night or a silent book is no evidence."""
    return regime_inputs(
        bars["close"].to_numpy(),
        cfg,
        timestamp_ms=bars["timestamp"].to_numpy(),
        stale_ms=bars["stale_ms"].to_numpy(),
    )


def same_encoder(encoder: TextEncoder, context: Context) -> TextEncoder:
    """The encoder, when it is the one the context was learnt with; CheckpointRefused when not."""
    if encoder.identity != context.encoder_identity:
        raise CheckpointRefused(
            f"the context was learnt with {context.text_model} ({context.encoder_identity[:12]}), this machine has "
            f"{_name(encoder)} ({encoder.identity[:12]}); use the same text model or run enrich again"
        )
    return encoder


def _read(
    headlines: pl.DataFrame,
    encoded: Encoded,
    bars: pl.DataFrame,
    cfg: TextConfig,
    projector: Projector | None,
) -> Mapping[str, np.ndarray]:
    return aggregate(headlines, encoded, bars["timestamp"].to_numpy(), cfg, projector=projector)


def news_of(place: Place, raw: Mapping[str, Ref]) -> pl.DataFrame | None:
    """The headlines that landed, if any did."""
    return place.get(raw["headlines"]) if "headlines" in raw else None
