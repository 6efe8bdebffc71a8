"""What may go wrong between a venue and its client, drawn from a seed. Knows no frame's meaning.

Every frame of a stream has its own draw, keyed by (seed, stream, number of the frame): the same tape and seed
misbehave the same way whoever listens and however fast it is replayed.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from decot.errors import ConfigError

FRAME_FAULTS = ("drop", "dup", "reorder", "gap", "stall", "disconnect", "garbage")
REQUEST_FAULTS = ("http_429", "http_418", "http_503", "lost_reply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Probabilities of trouble; all zero is a fair venue."""

    drop: float = 0.0
    """one frame is lost"""
    dup: float = 0.0
    """one frame is sent twice"""
    reorder: float = 0.0
    """one frame is held back behind the next one to three"""
    gap: float = 0.0
    """`gap_frames` frames in a row are lost"""
    stall: float = 0.0
    """the socket stays open and silent for `stall_s`; what it would have said is lost"""
    disconnect: float = 0.0
    """the socket is cut without a close frame"""
    garbage: float = 0.0
    """a broken frame is sent before the true one"""
    http_429: float = 0.0
    """a request is refused with Retry-After"""
    http_418: float = 0.0
    """the same, as a ban"""
    http_503: float = 0.0
    """a request is refused before it did anything"""
    lost_reply: float = 0.0
    """an order is executed and the answer is lost"""
    gap_frames: int = 20
    stall_s: float = 1.0
    retry_after_s: float = 1.0
    skew_ms: int = 0
    """how far the venue's clock is ahead of the true one"""
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"{name} = {getattr(self, name)} must be a probability between 0 and 1"
            for name in (*FRAME_FAULTS, *REQUEST_FAULTS)
            if not 0 <= getattr(self, name) <= 1
        ]
        if self.gap_frames < 1:
            faults.append(f"gap_frames = {self.gap_frames} must be at least 1")
        if faults:
            raise ConfigError(faults)

    @staticmethod
    def all(level: float = 0.01, seed: int = 0, **others: Any) -> Faults:
        """Every fault at once; the rare ones (gap, stall, disconnect, HTTP) scaled down to stay rare."""
        return replace(
            Faults(drop=level, dup=level, reorder=level, garbage=level / 2, seed=seed),
            gap=level / 20,
            disconnect=level / 20,
            stall=level / 50,
            http_429=level,
            http_418=level / 2,
            http_503=level,
            lost_reply=level,
            **others,
        )

    def changed(self, patch: Mapping[str, Any]) -> Faults:
        """A copy with some values replaced.

        Raises:
            ConfigError: for names that are not faults, all of them.
        """
        known = {field.name for field in fields(self)}
        unknown = [
            f"{name!r} is no fault; known: {', '.join(sorted(known))}" for name in patch if name not in known
        ]
        if unknown:
            raise ConfigError(unknown)
        return replace(self, **patch)


class Weather:
    """The faults as they fall: a draw for each frame and each request, and orders to misbehave exactly once."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.armed: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self._draws: dict[str, list[list[float]]] = {}
        self._requests = random.Random(faults.seed ^ 0x5EED)

    def set(self, faults: Faults) -> None:
        """Change the weather from the next frame on."""
        if faults.seed != self.faults.seed:
            self._draws.clear()
            self._requests = random.Random(faults.seed ^ 0x5EED)
        self.faults = faults

    def arm(self, kind: str, times: int = 1) -> None:
        """Make the next `times` chances of one kind happen for certain."""
        if kind not in FRAME_FAULTS + REQUEST_FAULTS:
            raise ConfigError([f"{kind!r} is no fault; known: {', '.join(FRAME_FAULTS + REQUEST_FAULTS)}"])
        self.armed[kind] += times

    def frame(self, stream: str, number: int) -> dict[str, float]:
        """What befalls frame `number` of a stream: names of faults, each with a uniform draw of its own."""
        draws = self._row(stream, number)
        hit = {}
        for column, kind in enumerate(FRAME_FAULTS):
            chance = getattr(self.faults, kind)
            if draws[column] < chance or self._fire(kind):
                hit[kind] = float(draws[column] / chance) % 1.0 if chance else 0.5
                self.seen[kind] += 1
        return hit

    def request(self, kinds: tuple[str, ...]) -> str | None:
        """The fault of the next request among `kinds`, if one falls on it."""
        for kind in kinds:
            chance = getattr(self.faults, kind)
            if self._fire(kind) or (chance and self._requests.random() < chance):
                self.seen[kind] += 1
                return kind
        return None

    def _fire(self, kind: str) -> bool:
        if not self.armed[kind]:
            return False
        self.armed[kind] -= 1
        return True

    def _row(self, stream: str, number: int) -> list[float]:
        block, row = divmod(number, 4096)
        key = f"{stream}#{block}"
        if key not in self._draws:
            if len(self._draws) > 64:
                self._draws.clear()
            rng = np.random.default_rng([self.faults.seed, zlib.crc32(stream.encode()), block])
            self._draws[key] = rng.random((4096, len(FRAME_FAULTS))).tolist()
        return self._draws[key][row]


def garble(frame: str, rng: random.Random) -> str | bytes:
    """A frame no client should believe: cut, mistyped, out of range, not JSON, or not text at all."""
    message = json.loads(frame)
    keys = [key for key in message if key in "pqbaBATtuEs"] or list(message)
    key = rng.choice(keys)
    broken: Any = rng.choice([None, "", "NaN", "-1", "1e999", "0x1", [], {}, True, "١٢", " ", "inf"])
    if broken == [] and isinstance(message[key], list):
        broken = None  # an emptied side would be a believable diff
    ways: list[Callable[[], str | bytes]] = [
        lambda: frame[: rng.randrange(1, len(frame))],
        lambda: frame + "}",
        lambda: frame.replace(":", ";", 1),
        lambda: json.dumps({**message, key: broken if key != "s" else "NOSUCH"}),
        lambda: json.dumps({k: v for k, v in message.items() if k != key} | {"x": 1}),
        lambda: json.dumps([message, rng.random()]),
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(1, 64))),
        lambda: json.dumps(rng.choice([None, 1, "x", [], {}, True])),
        lambda: "[" * 2000,
        lambda: json.dumps({"e": rng.choice(["", "trad", 7, None]), "data": frame}),
    ]
    return rng.choice(ways)()
