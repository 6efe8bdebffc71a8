"""The wheel: built from the tree, installed outside the checkout, and used there. Nothing is downloaded."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import decot
from deployments.sbom import bill

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("decot", "schemas", "tasks", "flows", "deployments")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the tree, so that the tree stays clean."""
    copy = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    build = "import setuptools.build_meta as b; print(b.build_wheel('dist'))"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    return next((copy / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """A fresh environment with the wheel alone; what it needs is lent from this one, by a path file."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    where = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    lent = [one for one in site.getsitepackages() if Path(one).is_dir()]
    # appended by code that runs after every path file: an editable decot there must not win
    (where / "zz_lent.pth").write_text(f"import sys; sys.path += {lent!r}\n")
    return folder, python


def said(elsewhere, *words: str) -> str:
    folder, python = elsewhere
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DECOT"))}
    done = subprocess.run(
        [python, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**quiet, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_works_outside_the_checkout(elsewhere):
    """Version, help, a table of venue rules and a packaged profile: all from the installed files, none from the tree."""
    assert said(elsewhere, "-m", "decot", "--version").strip() == f"decot {decot.__version__}"
    assert "compare" in said(elsewhere, "-m", "decot", "--help")
    show = "import decot, flows, deployments as d; print(decot.__file__, flows.__file__, d.__file__)"
    where = said(elsewhere, "-c", show)
    assert str(ROOT) not in where
    rows = json.loads(said(elsewhere, "-m", "decot", "doctor", "--capital", "19", "--json").splitlines()[-1])
    assert any(row["is_feasible"] for row in rows)
    profile = (
        "from decot.experiment.config import Experiment as E; from decot.experiment.order import Order as O; "
        "print(E.of(O(profile='demo')).name)"
    )
    assert said(elsewhere, "-c", profile).strip() == "demo"


def test_the_wheel_holds_what_it_must_and_nothing_else(wheel):
    """Typing marks, rules, profiles, the dashboard's page and the licence; no test, no secret, no benchmark."""
    names = zipfile.ZipFile(wheel).namelist()
    wanted = (
        "decot/py.typed",
        "schemas/py.typed",
        "decot/market/snapshots/binance-spot.json",
        "deployments/profiles/demo.toml",
        "decot/report/dashboard/page.js",
        "decot/gate/calibration.json",
    )
    assert [one for one in wanted if one not in names] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {*SOURCES, f"decot-{decot.__version__}.dist-info"}


def test_the_version_is_written_once():
    """pyproject takes it from the package."""
    import tomllib

    plain = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in plain["project"]
    assert plain["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "decot.__version__"
    assert decot.__version__.count(".") == 2


def test_the_bill_of_materials_is_whole():
    """CycloneDX: every component once, every reference defined, and a name that is its contents' own."""
    whole = bill()
    refs = [one["bom-ref"] for one in whole["components"]] + [whole["metadata"]["component"]["bom-ref"]]
    assert len(refs) == len(set(refs))
    assert {one["ref"] for one in whole["dependencies"]} == set(refs)
    assert {to for one in whole["dependencies"] for to in one["dependsOn"]} <= set(refs)
    assert {"numpy", "polars", "typer", "cryptography"} <= {one["name"] for one in whole["components"]}
    assert whole["serialNumber"].startswith("urn:uuid:")
