"""Is this installation fit to work, and how is it mended? Looks at the machine; asks the network only when told to."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from decot import __version__

LEAST_FREE_GB, FEW_FREE_GB = 1.0, 5.0
PORTS = {
    4200: "decot up --port",
    8798: "decot dashboard --port",
    8797: "decot reports --port",
    8399: "decot exchange --port",
}
_OF_UP = frozenset({4200, 8797, 8798})
_MARKS = {"ok": "ok   ", "note": "note ", "bad": "BAD  "}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing looked at."""

    what: str
    state: str
    """`ok`, `note` (works, but you should know), `bad` (does not work)"""
    said: str
    mend: str = ""
    """what to type or do; empty when nothing is to be done"""

    def line(self) -> str:
        """For people."""
        return f"{_MARKS[self.state]} {self.what:<12} {self.said}" + (
            f"\n{'':19}→ {self.mend}" if self.mend else ""
        )


def examine(home: Path, *, network: bool = False) -> list[dict[str, str]]:
    """Everything that can be looked at, in the order in which it is mended."""
    looks: tuple[Callable[[], Iterator[Found]], ...] = (
        _python,
        _packages,
        lambda: _home(home),
        lambda: _ports(home),
        _clock,
        _outside,
    )
    found = [one for look in looks for one in look()]
    if network:
        found += _reached()
    else:
        found.append(
            Found("network", "note", "not asked", "decot doctor --network asks W&B and the model hub")
        )
    return [asdict(one) for one in found]


def told(rows: list[dict[str, str]]) -> str:
    """The findings as lines, and what they come to."""
    bad = sum(row["state"] == "bad" for row in rows)
    lines = [Found(**row).line() for row in rows]
    return "\n".join([*lines, "", f"{bad} of {len(rows)} must be mended" if bad else "fit to work"])


def _python() -> Iterator[Found]:
    said = f"{platform.python_version()} on {platform.system()} {platform.machine()}, decot {__version__}"
    fits = sys.version_info >= (3, 11)
    yield Found(
        "python",
        "ok" if fits else "bad",
        said,
        "" if fits else "make the environment with Python 3.11 or newer",
    )
    if sys.version_info >= (3, 12):
        yield Found("python", "note", "tested on 3.11 only; newer ones resolve but have not been tried")


def _packages() -> Iterator[Found]:
    """Every requirement of this distribution, by the extra that wants it."""
    try:
        wanted = metadata.requires("decot") or []
    except metadata.PackageNotFoundError:
        yield Found(
            "packages", "bad", "decot itself is not installed, only on the path", "pip install -e '.[demo]'"
        )
        return
    by_extra: dict[str, list[str]] = {}
    for line in wanted:
        marked = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        by_extra.setdefault(marked.group(1) if marked else "", []).append(line.split(";")[0].strip())
    for extra, lines in by_extra.items():
        faults = [fault for line in lines if (fault := _missing(line))]
        if extra in ("dev", "bench", "demo", "docs"):
            continue
        if not faults:
            yield Found(extra or "core", "ok", f"{len(lines)} packages")
        elif not extra:
            yield Found("core", "bad", "; ".join(faults), "pip install --force-reinstall decot")
        else:
            state = "bad" if any("is here" in fault for fault in faults) else "note"
            yield Found(extra, state, "; ".join(faults), f"pip install 'decot[{extra}]' -c constraints.txt")


def _missing(requirement: str) -> str:
    """What is wrong with one requirement; nothing when it is met."""
    found = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?\s*(.*)$", requirement)
    if found is None or found.group(1).lower() == "decot":
        return ""
    name, bounds = found.group(1), found.group(3).strip(" ()")
    try:
        here = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    return "" if _within(here, bounds) else f"{name} {here} is here, {bounds} is needed"


def _within(version: str, bounds: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet
    except ModuleNotFoundError:
        return True
    return SpecifierSet(bounds).contains(version, prereleases=True)


def _home(home: Path) -> Iterator[Found]:
    near = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.is_dir())
    mend = "choose another with --home or DECOT_HOME"
    if os.access(near, os.W_OK | os.X_OK):
        yield Found(
            "home", "ok", f"{home.resolve()} {'is there' if near == home.resolve() else 'can be made'}"
        )
    else:
        yield Found("home", "bad", f"nothing can be written into {near}", mend)
    free = shutil.disk_usage(near).free / 1e9
    state = "bad" if free < LEAST_FREE_GB else "note" if free < FEW_FREE_GB else "ok"
    need = f"a demo leaves about 0.1 GB, a recorded day of one symbol more; {mend}"
    yield Found("disk", state, f"{free:.1f} GB free", "" if state == "ok" else need)
    for key in (home / "keys").glob("*"):
        if (
            key.is_file()
            and "key" in key.name
            and key.stat().st_mode & 0o077
            and not key.name.endswith(".pub")
        ):
            yield Found("keys", "bad", f"others may read {key}", f"chmod 600 {key}")
    if (home / "live" / "KILL").exists():
        yield Found(
            "kill switch",
            "note",
            "pulled: no session of this home trades",
            "decot kill --release --home " + str(home),
        )


def _ports(home: Path) -> Iterator[Found]:
    for port, command in PORTS.items():
        with socket.socket() as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                asked.bind(("127.0.0.1", port))
            except OSError as taken:
                ours = port in _OF_UP and (home / "up.json").is_file()
                said = "decot up is running" if ours else f"taken ({taken.strerror})"
                yield Found(
                    f"port {port}",
                    "ok" if ours else "note",
                    said,
                    "" if ours else f"another one: {command} N",
                )
                continue
        yield Found(f"port {port}", "ok", "free")


def _clock() -> Iterator[Found]:
    """Whether the kernel says that somebody keeps its clock right; a wrong one spoils latencies and signed requests."""
    if not sys.platform.startswith("linux"):
        yield Found("clock", "note", "cannot be asked on this system", "see that it is kept by NTP")
        return
    import ctypes

    buffer = ctypes.create_string_buffer(512)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0:
        yield Found("clock", "note", "the kernel does not say", "see that it is kept by NTP")
    elif state == 5:
        yield Found(
            "clock", "note", "nobody keeps it right", "switch NTP on: timedatectl set-ntp true, or chrony"
        )
    else:
        yield Found("clock", "ok", "kept by somebody (adjtimex)")


def _outside() -> Iterator[Found]:
    has_key = bool(os.environ.get("WANDB_API_KEY")) or (Path.home() / ".netrc").is_file()
    yield Found("W&B", "ok", "a key is here" if has_key else "no key: runs are kept offline, which is enough")
    model = os.environ.get("DECOT_TEXT_MODEL", "")
    if not model:
        mend = "set DECOT_TEXT_MODEL to a folder with CryptoBERT's weights"
        yield Found("news model", "note", "a small stand-in is built on the spot", mend)
    elif Path(model).is_dir() or not model.startswith((".", "/", "~")):
        yield Found("news model", "ok", model)
    else:
        yield Found(
            "news model", "bad", f"DECOT_TEXT_MODEL={model}: no such folder", "correct it, or unset it"
        )
    compiler = shutil.which("cc") or shutil.which("gcc")
    mend = "" if compiler else "needed only where a wheel is missing: apt install build-essential"
    yield Found("compiler", "ok" if compiler else "note", compiler or "none", mend)


def _reached() -> list[Found]:
    """One connection to each, three seconds; nothing is sent."""
    places = {
        "W&B": os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"),
        "hub": os.environ.get("HF_ENDPOINT", "https://huggingface.co"),
    }
    return [_reach(name, url) for name, url in places.items()]


def _reach(name: str, url: str) -> Found:
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return Found(f"reach {name}", "ok", f"{parts.hostname}:{port} answers")
    except OSError as away:
        mend = {
            "W&B": "runs stay offline; decot track sync sends them later, or set WANDB_BASE_URL",
            "hub": "download the model elsewhere and set DECOT_TEXT_MODEL to its folder, or set HF_ENDPOINT",
        }[name]
        return Found(f"reach {name}", "note", f"{parts.hostname}:{port}: {away}", mend)


def is_bad(rows: list[dict[str, Any]]) -> bool:
    """Whether anything must be mended before work."""
    return any(row["state"] == "bad" for row in rows)
