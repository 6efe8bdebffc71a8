"""A model's folder with everything it needs to decide again: weights, scaler, words, regimes. Knows no market."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from decot.errors import ConfigError
from decot.evolve.genome import Genome
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context
from decot.experiment.school import School, schema_hash
from decot.model.agent import Agent
from decot.model.checkpoint import save
from decot.model.config import FORESEEING, ModelConfig
from decot.model.vocabulary import FORECASTS, NAMES
from decot.rl.algorithms import plan
from decot.rl.ppo import PPOConfig
from schemas.ref import Ref

Params = dict[str, float | str]

torch.set_num_threads(1)  # nets this small lose by more, and one thread gives the same bits everywhere


def architecture(experiment: Experiment, genome: Genome, n_features: int) -> ModelConfig:
    """A genome and what is not a gene, as the network's configuration."""
    return ModelConfig(
        n_features=n_features,
        conv_filters=genome.conv_filters,
        kernel=genome.kernel,
        pool=genome.pool,
        lstm_units=genome.lstm_units,
        dropout=genome.dropout,
        questions=conclusions_last(genome.questions),
        word_width=genome.word_width,
        **asdict(experiment.net),
    )


def conclusions_last(questions: tuple[str, ...]) -> tuple[str, ...]:
    """The readings in the genome's order, then outlook and risk: what follows from readings is asked after them.

    With an outlook first, do(outlook) also rewrites the readings after it, and the action no longer follows the word.
    """
    readings = tuple(name for name in questions if name not in FORESEEING)
    return (
        readings
        + tuple(name for name in questions if name in FORESEEING and name != "outlook")
        + ("outlook",)
    )


def lessons_plan(experiment: Experiment, genome: Genome, params: Params, budget: float) -> PPOConfig:
    """The learning configuration of one trial: the profile's, with the study's parameters and the genome's algorithm."""
    base = asdict(experiment.learning)
    known = {
        "learning_rate": "learning_rate",
        "clip": "clip",
        "entropy": "entropy",
        "gae_lambda": "lam",
        "aux_weight": "forecast",
        "cost_anneal": "anneal",
    }
    base |= {known[name]: float(value) for name, value in params.items() if name in known}
    if "discount_gap" in params:
        base["gamma"] = 1.0 - float(params["discount_gap"])
    base["env_steps"] = max(1, round(experiment.learning.env_steps * budget))
    return plan(genome.algorithm, PPOConfig(**base))


def keep(
    folder: Path,
    agent: Agent,
    experiment: Experiment,
    school: School,
    context: Context,
    features: Ref,
    about: dict[str, Any],
) -> str:
    """Save an agent with all it must be held to; gives the hash of its weights."""
    manifest = {
        "schema": schema_hash(),
        "code": code_version(),
        "clock_ms": experiment.clock_ms,
        "features_config": asdict(experiment.features),
        "regimes_config": asdict(experiment.regimes),
        "scaler": json.loads(school.scaler.to_json()),
        "grounding": school.grounding.to_json(),
        "regimes": json.loads(context.regimes.to_json()),
        "projector": json.loads(context.projector.to_json()) if context.projector else None,
        "context": context.name,
        "text_model": context.text_model,
        "data": [features.to_dict()],
        "market": asdict(experiment.market),
        "about": about,
    }
    return save(folder, agent, json.loads(json.dumps(manifest)))


SILENCED = ("policy", "value", "exit")


def silence(agent: Agent, name: str) -> None:
    """The drill: a head's weights become zero, so that it always says the same.

    Raises:
        ConfigError: there is no such head.
    """
    with torch.no_grad():
        if name in SILENCED:
            for parameter in getattr(agent, name).parameters():
                parameter.zero_()
        elif name in FORECASTS:
            row = FORECASTS.index(name)
            agent.foresee.weight[row] = 0
            agent.foresee.bias[row] = 0
        elif name in agent.cfg.questions:
            step = agent.cfg.questions.index(name)
            for parameter in agent.answer[step].parameters():
                parameter.zero_()
        else:
            known = ", ".join((*SILENCED, *FORECASTS, *NAMES))
            raise ConfigError([f"--zero-head {name!r} is no head of this agent; choose one of {known}"])
