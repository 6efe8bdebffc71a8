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


def prepare(home: Path) -> None:
    """Set the variables that are not set yet; Prefect's own files go under `home`, not into the user's.

    A Prefect server that the user points to (`PREFECT_API_URL`) is used; so is the one `decot up` has started.
    """
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(home.resolve() / "prefect"))
    served = home / "up.json"
    if served.is_file() and "PREFECT_API_URL" not in os.environ:
        url = api_of(served)
        if url:
            os.environ["PREFECT_API_URL"] = url


def api_of(served: Path) -> str:
    """The address in the note that `decot up` leaves, or nothing if no server answers there."""
    import json
    import urllib.error
    import urllib.request

    url = str(json.loads(served.read_text())["api"])
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return url
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return ""
