"""What someone asked for: one frozen, JSON-able request. Knows nothing of how it is carried out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run as a person would say it; empty fields mean what the profile says."""

    profile: str = "demo"
    """name of a packaged profile, or the path of a TOML file"""
    world: str = ""
    """embedded market instead of the profile's: planted-edge, no-edge, regimes, crash"""
    tape: str = ""
    """recorded market instead of a world: a file or folder of a known layout"""
    news: str = ""
    """headlines to join a recorded market: a CSV, Parquet, JSONL, RSS or Atom file"""
    symbol: str = ""
    """which symbol of a tape that holds several"""
    seed: int | None = None
    """root seed; every component derives its own from it"""
    home: str = ".decot"
    """everything the run leaves behind"""
    zero_head: str = ""
    """a drill: silence this head after training, and watch the gate name it"""

    @property
    def source(self) -> str:
        """What the data comes from, in a few words."""
        return Path(self.tape).name if self.tape else f"the {self.world or self.title} world"

    @property
    def title(self) -> str:
        """The profile's name without its path."""
        return Path(self.profile).stem

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
