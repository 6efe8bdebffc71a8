"""Facts of the place and secrets, from the environment (`DECOT_…`). Knows no science and no times of day."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are on this machine; every field can be set as `DECOT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="DECOT_", env_file=".env", extra="ignore")

    home: Path = Path(".decot")
    """everything a run leaves behind: lake, runs, keys, registry"""
    tapes: Path | None = None
    """folder of recorded tapes, for tests and profiles that name one"""
    text_model: str = ""
    """folder or hub name of the three-label news model; empty: what the profile says"""
    signing_key: Path | None = None
    """Ed25519 key that signs certificates; default: keys/ in `home`, made at first use"""
    reports_url: str = ""
    """where a browser finds this home's pages (`decot reports`, or a proxy); empty: where `decot up` serves them"""
    wandb_api_key: SecretStr | None = Field(default=None, validation_alias="WANDB_API_KEY")
    """absent: runs are kept offline"""

    @property
    def key_folder(self) -> Path:
        """Folder of the signing key."""
        return self.signing_key.parent if self.signing_key else self.home / "keys"
