"""Nothing in the project depends on the place it was built in: every tracked file is read for paths, hosts and people."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_DOT, _AT = ".", "@"
FOREIGN = {
    "a folder of one machine": re.compile(r"(?<![\w.~*])/(?:work|root|mnt|workspace|opt/(?:wheels|pypi))/[\w.-]"),
    "somebody's home": re.compile(r"(?<![\w.])/(?:home|Users)/(?!decot\b)[a-z][\w.-]*"),
    "a folder that is gone tomorrow": re.compile(r"(?<![\w.])/(?:tmp|var/tmp)/(?!prefect-ui)[\w.-]+"),
    "a package registry": re.compile(r"\b(?:pypi|test\.pypi|files\.pythonhosted|registry\.npmjs|conda\.anaconda)\.org\b"),
    "a mirror of a registry": re.compile(r"index-url\s*=\s*\S|--(?:extra-)?index-url[ =]https?:"),
    "a person's address": re.compile(r"\b[\w.+-]+@(?!users\.noreply|example\.|localhost|v\d)[\w-]+\.[a-z]{2,}\b", re.I),
    "a private host": re.compile(r"\b[\w-]+\.(?:internal|corp|lan|intra)\b"),
    "an address of a private network": re.compile(
        r"\b(?:10\.(?!0\.0\.)\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+\b"
    ),
}  # fmt: skip
"""what does not belong, and how it looks"""
BLOBS = {".png", ".parquet", ".gz", ".zip", ".safetensors", ".ico", ".woff2"}
_HERE = "tests/unit/house/test_places.py"


def tracked(root: Path) -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    return [name for name in done.stdout.split("\0") if name]


def strangers(root: Path, names: Iterable[str]) -> list[str]:
    """file:line: what, and the words, for everything that does not belong."""
    found = []
    for name in names:
        path = root / name
        if path.suffix in BLOBS or name == _HERE or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            for what, pattern in FOREIGN.items():
                if hit := pattern.search(line[:5_000]):
                    found.append(f"{name}:{number}: {what}: {hit.group(0)}")
    return found


def test_no_tracked_file_knows_where_it_was_written():
    """No absolute path of a machine, no registry, no private host, nobody's address, in any tracked file."""
    names = tracked(ROOT)
    if not names:
        pytest.skip("not a git checkout: there is no list of tracked files")
    found = strangers(ROOT, names)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("see /wo" + "rk/main/x.py", "a folder of one machine"),
        ("/ro" + "ot/.cache", "a folder of one machine"),
        ("open('/ho" + "me/ada/notes')", "somebody's home"),
        ("out = '/tmp/" + "run1'", "a folder that is gone tomorrow"),
        ("pip install -i https://py" + "pi.org/simple x", "a package registry"),
        ("pip install --index-url " + "https://mirror/simple x", "a mirror of a registry"),
        ("ask ada" + _AT + "company" + _DOT + "com", "a person's address"),
        ("http://build" + _DOT + "internal/x", "a private host"),
        ("host 192.168." + "3.4", "an address of a private network"),
    ],
)
def test_a_stranger_is_found(tmp_path, line, what):
    """Planted in a file, each kind is named with its line."""
    (tmp_path / "page.md").write_text(f"fine\n{line}\n")
    assert [one.split(": ")[1] for one in strangers(tmp_path, ["page.md"])] == [what]
    assert strangers(tmp_path, ["page.md"])[0].startswith("page.md:2:")
