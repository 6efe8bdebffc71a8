"""Nothing that came from a file is ever executed: no pickle, no torch.load, no eval, in any module of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {
    "eval",
    "exec",
    "__import__",
    "torch.load",
    "torch.jit.load",
    "yaml.load",
    "yaml.unsafe_load",
    "numpy.fromregex",
}


def dangers(source: str) -> Iterator[tuple[int, str]]:
    """(line, what) of everything that could run what a file says."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield node.lineno, f"from {node.module}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS:
                yield node.lineno, name
            for word in node.keywords:
                if word.arg == "allow_pickle" and not (
                    isinstance(word.value, ast.Constant) and word.value.value is False
                ):
                    yield node.lineno, f"{name}(allow_pickle=…)"


def test_no_module_of_the_house_unpickles():
    """decot, schemas, tasks, flows, deployments, benchmarks: not one call that could execute a file."""
    files = [
        file
        for name in ("decot", "schemas", "tasks", "flows", "deployments", "benchmarks")
        for file in (ROOT / name).rglob("*.py")
    ]
    assert len(files) > 200
    found = [
        f"{file.relative_to(ROOT)}:{line}: {what}"
        for file in files
        for line, what in dangers(file.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import torch; torch.load('x')",
        "eval('1')",
        "import numpy as np; np.load('x', allow_pickle=True)",
        "import numpy as np; np.load('x', allow_pickle=flag)",
    ],
)
def test_each_way_is_seen(line):
    """Planted, each is named."""
    assert list(dangers(line))
