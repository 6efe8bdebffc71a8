"""Every choice of science in one frozen value, read from a profile. Knows where each choice lives, not what it means."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from decot.context.mcp_readings import McpServers
from decot.context.regimes import RegimeConfig
from decot.context.text_config import TextConfig
from decot.data.worlds import WorldConfig
from decot.errors import ConfigError
from decot.evolve.search import SearchConfig
from decot.experiment.order import Order
from decot.features.config import FeatureConfig
from decot.gate.config import GateConfig
from decot.rl.ppo import PPOConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig:
    """Where the agent would trade, and with how much."""

    venue: str = "demo"
    symbol: str = "BTC-USD"
    capital_usdt: float = 19.0
    """the account; strictly below 20"""
    latency_ms: float = 300.0
    """from a decision to the book, when the tape does not tell"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """Which rows teach, which choose, which judge; in the order of time, never shuffled."""

    validation_share: float = 0.3
    """last part of the days before the judging ones; the search and early stopping look at it"""
    other_days: int = 1
    """last days kept for the gate alone"""
    purge_s: float = 330.0
    """seconds dropped before each boundary: longer than any feature looks back or any target looks ahead"""
    burn_in: int = 300
    """rows after each boundary that warm the network up and are not counted"""
    folds: int = 1
    """walk-forward folds a trial is tried on: the validation rows in so many blocks, an agent taught before each"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        return [f"split.folds {self.folds}: at least 1"] if self.folds < 1 else []


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsConfig:
    """Headlines from outside, joined to a recorded market."""

    path: str = ""
    """CSV, Parquet, JSONL, RSS or Atom file; empty for what the tape itself brings"""
    assumed_delay_s: float = 60.0
    """from publication to our desk, where the file does not say when a headline was available"""
    repeat_hours: float = 72.0
    """the same words within this time are one headline"""
    history_days: float = 7.0
    """how far before the tape headlines are still taken in"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        wrong = min(self.assumed_delay_s, self.repeat_hours, self.history_days) < 0
        return ["news.assumed_delay_s, repeat_hours and history_days must not be negative"] if wrong else []


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConfig:
    """What of the architecture is not a gene."""

    step_width: int = 16
    """hidden width of one thought"""
    judge_width: int = 32
    """hidden width between the words and the heads"""
    value_tilt: float = 0.5
    """how strongly the value of a position favours going there"""
    unrestricted: bool = False
    """let the latent past the words: only to measure what honesty costs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalsConfig:
    """The finalist learns again from scratch, so that one lucky seed is not mistaken for a good genome."""

    seeds: int = 5
    begin: Literal["own", "founder"] = "own"
    """whose parameters it learns with: its own, or those of the best of its ancestors that had nobody to inherit from. A
    child's were chosen for going on from weights that could do it already, and may teach nothing to one that begins"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewConfig:
    """Who evaluates a population; never part of a result."""

    runner: Literal["here", "processes", "dask", "prefect-dask"] = "here"
    workers: int = 2
    """processes, or workers of a Dask cluster of our own"""
    scheduler: str = ""
    """address of a running Dask scheduler (tcp://host:8786); empty starts a cluster on this machine"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        return [f"crew.workers {self.workers}: at least 1"] if self.workers < 1 else []


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """A bounded paper session."""

    minutes: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackConfig:
    """The W&B mirror; never the source of truth."""

    enabled: bool = True
    project: str = "decot"
    mode: Literal["offline", "online"] = "offline"
    base_url: str = ""
    """another W&B server than the public one"""
    wait_s: float = 5.0
    """a run waits this long at most; the mirror goes on behind it"""
    time_box_s: float = 600.0
    """after this the mirror ends itself, done or not; `decot track sync` rebuilds it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Everything that decides a result, but the data itself."""

    name: str = "demo"
    seed: int = 7
    clock_ms: int = 1_000
    clock_by: str = "recv"
    """bars by the local receive clock (`recv`) or by the exchange's (`event`)"""
    text_stand_in: bool = False
    """build a small three-label model on the spot instead of loading the configured weights"""
    scaler: Literal["zscore", "robust"] = "zscore"
    """observations by mean and standard deviation, or by median and quartiles; either from training rows alone"""
    world: WorldConfig = field(default_factory=WorldConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    regimes: RegimeConfig = field(default_factory=RegimeConfig)
    text: TextConfig = field(default_factory=TextConfig)
    news: NewsConfig = field(default_factory=NewsConfig)
    mcp: McpServers = field(default_factory=McpServers)
    market: MarketConfig = field(default_factory=MarketConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    net: NetConfig = field(default_factory=NetConfig)
    learning: PPOConfig = field(default_factory=PPOConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    finals: FinalsConfig = field(default_factory=FinalsConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    crew: CrewConfig = field(default_factory=CrewConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    track: TrackConfig = field(default_factory=TrackConfig)

    @staticmethod
    def of(order: Order) -> Experiment:
        """The profile an order names, with what the order changes in it.

        Raises:
            ConfigError: with every unknown key and every wrong value at once.
        """
        experiment = load_profile(order.profile, bool(order.tape))
        if order.seed is not None:
            experiment = replace(experiment, seed=order.seed)
        if order.news:
            experiment = replace(experiment, news=replace(experiment.news, path=order.news))
        if experiment.news.path and not order.tape:
            raise ConfigError(
                ["news.path (--news) joins a recorded market; a world brings its own: give --tape"]
            )
        world = replace(experiment.world, seed=experiment.seed)
        if order.world:
            world = replace(world, kind=order.world)
        faults = world.faults()
        if faults:
            raise ConfigError(faults)
        return replace(experiment, world=world)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for hashing and for the model card."""
        return asdict(self)


def load_profile(name: str, has_tape: bool = False) -> Experiment:
    """A packaged profile by name, or a TOML file by path; `[tape.…]` sections apply to recorded markets only.

    Raises:
        ConfigError: no such profile, or everything that is wrong with it.
    """
    try:
        plain = tomllib.loads(_profile_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise ConfigError(
            [f"profile {name} is no TOML: {broken}; write it like deployments/profiles/demo.toml"]
        ) from broken
    only_tape = plain.pop("tape", {})
    if has_tape:
        plain = _merged(plain, only_tape)
    faults: list[str] = []
    values = _checked(Experiment, plain, "", faults)
    if faults:
        raise ConfigError([f"profile {name}: {fault}" for fault in faults])
    return Experiment(**{"name": Path(name).stem, **values})


def _profile_text(name: str) -> str:
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise ConfigError([f"{name}: there is no such profile file; check the path"])
        return Path(name).read_text()
    folder = resources.files("deployments") / "profiles"
    known = sorted(
        file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")
    )
    if name not in known:
        raise ConfigError(
            [
                f"there is no profile called {name!r}{_meant(name, known)}; choose one of {', '.join(known)} or give a "
                ".toml file"
            ]
        )
    return (folder / f"{name}.toml").read_text()


def _meant(word: str, known: Iterable[str]) -> str:
    """What was probably meant, if anything is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in over.items():
        inner = found.get(key)
        found[key] = _merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return found


def _checked(kind: type, plain: Mapping[str, Any], where: str, faults: list[str]) -> dict[str, Any]:
    """Values of `kind`'s fields; every fault is added to `faults` in words."""
    known = {item.name: item for item in fields(kind)}
    for key in plain:
        if key not in known:
            faults.append(f"{where}{key} is not a setting{_meant(key, known)}; known: {', '.join(known)}")
    values: dict[str, Any] = {}
    for key, value in plain.items():
        if key not in known:
            continue
        inner = _section(kind, key)
        if inner is not None and isinstance(value, dict):
            before = len(faults)
            nested = _checked(inner, value, f"{where}{key}.", faults)
            if len(faults) == before:
                _built(inner, nested, f"{where}{key}", values, key, faults)
            continue
        try:
            values[key] = TypeAdapter(_annotation(kind, key)).validate_python(value)
        except ValidationError as wrong:
            faults.append(f"{where}{key} = {value!r}: {wrong.errors()[0]['msg']}")
    return values


def _built(
    kind: type, nested: dict[str, Any], where: str, values: dict[str, Any], key: str, faults: list[str]
) -> None:
    try:
        built = kind(**nested)
    except ConfigError as refused:
        faults.extend(f"{where}: {fault}" for fault in refused.faults)
        return
    except ValueError as refused:
        faults.append(f"{where}: {refused}")
        return
    check = getattr(built, "faults", None)
    if callable(check):
        faults.extend(check())
    values[key] = built


def _section(kind: type, key: str) -> type | None:
    annotation = _annotation(kind, key)
    return (
        annotation if isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__") else None
    )


def _annotation(kind: type, key: str) -> Any:
    from typing import get_type_hints

    return get_type_hints(kind)[key]
