"""One bar at a time, and a state that survives a restart. The same machine code as the batch; knows no frame."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np

from decot.errors import DataFault
from decot.features.kernel import (
    N_IN,
    N_OUT,
    OUT_NAMES,
    STAMP,
    FeatureConfig,
    fresh_state,
    parameters,
    run,
)

_MAGIC = b"DECOTFS1"


class Stream:
    """Features bar by bar.

    Args:
        cfg: must be the one the batch used.
    """

    def __init__(self, cfg: FeatureConfig | None = None) -> None:
        self.cfg = cfg or FeatureConfig()
        self._params = parameters(self.cfg)
        self._state = fresh_state()
        self._ms = np.zeros(1, np.int64)
        self._bar = np.zeros((N_IN, 1))
        self._flat = self._bar[:, 0]
        self._out = np.zeros((N_OUT, 1))
        self._row = self._out[:, 0]

    @property
    def n_bars(self) -> int:
        """Bars taken in since the start, or since the last hole in time."""
        return int(self._state[0])

    def step(self, timestamp_ms: int, bar_row: np.ndarray) -> np.ndarray:
        """The row of this bar: (66,) float64 in the order of `OUT_NAMES`, a copy that may be kept.

        Args:
            timestamp_ms: end of the bar, ms UTC, later than the one before.
            bar_row: (21,) in the order of `BAR_INPUTS`.
        """
        self._ms[0] = timestamp_ms
        self._flat[:] = bar_row
        run(self._state, self._params, self._ms, self._bar, self._out, 0)
        return self._row.copy()

    def save(self) -> bytes:
        """Everything needed to go on elsewhere, bit for bit: header, state, checksum."""
        from dataclasses import asdict

        head = json.dumps({"cfg": asdict(self.cfg), "stamp": STAMP, "columns": len(OUT_NAMES)}).encode()
        body = _MAGIC + struct.pack("<I", len(head)) + head + self._state.astype("<f8").tobytes()
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def load(cls, blob: bytes) -> Stream:
        """The inverse of `save`.

        Raises:
            DataFault: not a saved stream, damaged, or saved by another version of the formulas.
        """
        if len(blob) < 16 or blob[:8] != _MAGIC:
            raise DataFault(f"feature state: {len(blob)} bytes that are no saved stream; start a fresh one")
        if struct.unpack("<I", blob[-4:])[0] != zlib.crc32(blob[:-4]):
            raise DataFault("feature state: the checksum does not match; start a fresh stream")
        size = struct.unpack("<I", blob[8:12])[0]
        head = json.loads(blob[12 : 12 + size])
        if head["stamp"] != STAMP:
            raise DataFault(
                f"feature state: saved by formulas {head['stamp']:08x}, these are {STAMP:08x}; "
                "start a fresh stream and feed it the last 300 bars"
            )
        stream = cls(FeatureConfig(**head["cfg"]))
        stream._state[:] = np.frombuffer(blob[12 + size : -4], "<f8")
        return stream
