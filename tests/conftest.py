"""What every test may ask for: the recorded tapes, or a loud skip. Switches off all that would call home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.update(
    {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }
)

ROOT = Path(__file__).resolve().parents[1]


def tapes_folder() -> Path:
    """Where the recorded tapes are: DECOT_TAPES, else a `shared/data` folder beside the checkout."""
    return Path(os.environ.get("DECOT_TAPES", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def tapes() -> Path:
    folder = tapes_folder()
    if not (folder / "standx-btcusd").is_dir():
        pytest.skip(f"recorded tapes are absent: set DECOT_TAPES (looked in {folder.name})")
    return folder
