"""The site, built once as `make docs` builds it, and the reader of code blocks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "docs" / "_hooks"))


@dataclass(frozen=True)
class Site:
    """A built site and what building it said."""

    folder: Path
    code: int
    said: str

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.said.splitlines() if re.match(r"^\s*(WARNING|ERROR)", line)]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    pytest.importorskip("mkdocs", reason="the extra is not installed: pip install 'decot[docs]'")
    pytest.importorskip("mkdocstrings", reason="the extra is not installed: pip install 'decot[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=1_500,
        check=False,
    )
    return Site(folder, done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that `decot run --profile demo` leaves: some minutes. DECOT_DOCS_DEMO names one that is there already."""
    ready = os.environ.get("DECOT_DOCS_DEMO", "")
    if ready:
        return Path(ready)
    place = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "decot", "run", "--profile", "demo", "--quiet"],
        cwd=place,
        env={name: value for name, value in os.environ.items() if name != "DECOT_HOME"},
        capture_output=True,
        text=True,
        timeout=3_600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return place / ".decot"
