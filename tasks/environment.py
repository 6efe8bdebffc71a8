"""What the foreign engines are told before they are imported: stay here, call nobody, wait long enough."""

from __future__ import annotations

import os
from pathlib import Path

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "OMP_NUM_THREADS": "1",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
"""what a user may still override by setting the variable"""


NOTE = "up.json"
"""what `decot up` leaves in its home while it is up: api, pid, reports"""


def prepare(home: Path) -> None:
    """Set the variables that are not set yet; Prefect's own files go under `home`, not into the user's.

    A Prefect server that the user points to (`PREFECT_API_URL`) is used; so is the one `decot up` has started.
    """
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(home.resolve() / "prefect"))
    served = home / NOTE
    if served.is_file() and "PREFECT_API_URL" not in os.environ:
        url = api_of(served)
        if url:
            os.environ["PREFECT_API_URL"] = url


def api_of(served: Path) -> str:
    """The address in the note that `decot up` leaves, or nothing if no server answers there."""
    url = _noted(served, "api")
    return url if url and _answers(f"{url}/health") else ""


def served_at(home: Path) -> str:
    """Where `decot up` serves the pages of this home, or nothing if nobody answers there."""
    url = _noted(home / NOTE, "reports")
    return url if url and _answers(f"{url}/healthz") else ""


def _noted(served: Path, key: str) -> str:
    import json

    try:
        return str(json.loads(served.read_text()).get(key, ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _answers(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
