"""What can go wrong, as one tree. Knows no room; every message names the thing, the number and the way out.

DecotError
├── Transient                 someone may try again
│   ├── FeedStalled
│   └── VenueUnavailable
├── ConfigError               all faults of a configuration at once
├── DataFault
│   ├── TapeRefused           a file: which, column, row, why, way out
│   ├── TableRefused          a table at a door: every fault in one message
│   ├── GapInData
│   └── LakeBroken
├── ModelFault
│   ├── CheckpointRefused
│   └── MissingWeights
├── MarketFault
│   ├── OrderRefused
│   └── OracleExceeded        a result above what was possible: a bug, not a success
├── LedgerBroken              a trial was edited, removed or reordered
├── CertificateRefused
├── RegistryRefused
└── RiskHalt
"""

from __future__ import annotations

from collections.abc import Sequence


class DecotError(Exception):
    """The root: catch this to catch everything that is ours."""


class Transient(DecotError):
    """It may work if tried again later."""


class FeedStalled(Transient):
    """A stream has gone silent for longer than its watchdog allows."""


class VenueUnavailable(Transient):
    """The venue did not answer, or asked us to wait."""


class ConfigError(DecotError):
    """A configuration with every fault it has, not only the first."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("configuration refused:\n" + "\n".join(f"  - {fault}" for fault in self.faults))


class DataFault(DecotError):
    """Data that cannot be believed."""


class TapeRefused(DataFault):
    """A file that is not what it claims to be.

    Args:
        file: name of the file as the user gave it.
        why: what was found, with the value.
        way_out: what the user can do about it.
        column: the column at fault, if one is.
        row: the first row at fault, counted from 0, if one is.
    """

    def __init__(
        self, file: str, why: str, way_out: str, *, column: str | None = None, row: int | None = None
    ) -> None:
        self.file, self.column, self.row, self.why, self.way_out = file, column, row, why, way_out
        place = file
        if column is not None:
            place += f", column {column}"
        if row is not None:
            place += f", row {row}"
        super().__init__(f"{place}: {why}; {way_out}")


class TableRefused(DataFault):
    """A table that breaks its schema; `faults` holds one line per fault."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.where, self.faults = where, tuple(faults)
        listed = "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(f"{where}: {len(self.faults)} fault(s), nothing was written\n{listed}")


class GapInData(DataFault):
    """Bars or trades that should be there are not."""


class LakeBroken(DataFault):
    """A stored table cannot be read, or is not the version asked for."""


class ModelFault(DecotError):
    """A model that cannot be used as it is."""


class CheckpointRefused(ModelFault):
    """A checkpoint whose contents do not match what was expected; the message is the difference."""


class MissingWeights(ModelFault):
    """Pretrained weights are not on this machine; the message says how to get them."""


class MarketFault(DecotError):
    """Something the market does not allow."""


class OrderRefused(MarketFault):
    """An order the venue would reject."""


class OracleExceeded(MarketFault):
    """A profit above the hindsight bound: a bug or a leak."""


class LedgerBroken(DecotError):
    """The trial ledger's chain of hashes does not hold; the message names the line."""


class CertificateRefused(DecotError):
    """An artefact without a valid certificate."""


class RegistryRefused(DecotError):
    """A stage change the registry does not allow."""


class RiskHalt(DecotError):
    """Trading was stopped by a limit."""
