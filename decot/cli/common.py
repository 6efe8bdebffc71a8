"""What every command shares: how it is asked, how it fails, how it shows. Knows no command."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from decot.errors import DecotError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
EXIT_CODES = (
    "Exit codes:  0 done (a verdict: promoted)  ·  1 failed or found bad  ·  2 wrongly asked  ·  3 refused, or halted  ·  "
    "4 insufficient evidence  ·  130 interrupted"
)
"""the same numbers for every command; scripts rely on them"""

Profile = Annotated[str, typer.Option(help="packaged profile (demo) or a TOML file")]
World = Annotated[str, typer.Option(help="embedded market: planted-edge, no-edge, regimes, crash")]
TapePath = Annotated[str, typer.Option("--tape", help="recorded market: a file or folder of a known layout")]
News = Annotated[
    str, typer.Option(help="headlines to join the tape: a CSV, Parquet, JSONL, RSS or Atom file")
]
Symbol = Annotated[str, typer.Option(help="which symbol, when the tape holds several")]
Seed = Annotated[int | None, typer.Option(help="root seed; the profile's if not given")]
Home = Annotated[Path, typer.Option(envvar="DECOT_HOME", help="where everything a run leaves is kept")]
AsJson = Annotated[bool, typer.Option("--json", help="the last line of stdout is one JSON object")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress on stderr")]

HOME = Path(".decot")
LEAST_FREE_MB = 100
"""below this a run is not begun; the demo leaves about as much"""


def start(word: str, quiet: bool, **order: Any) -> dict[str, Any]:
    from decot.experiment.config import Experiment
    from decot.experiment.order import Order

    check_names(order)

    def work(listener: Any) -> Any:
        check_home(Path(order["home"]))
        Experiment.of(Order(**order))  # a slip in the profile is told before an engine is started for it
        return registered(word)(Order(**order), listener)

    return guarded(work, quiet)


def check_names(order: dict[str, Any]) -> None:
    if order.get("world") and order.get("tape"):
        fail("a run has one source: give --world or --tape, not both", code=2)
    if order.get("news") and not order.get("tape"):
        fail("--news joins a recorded market; give --tape too (a world brings its own headlines)", code=2)
    if order.get("news") and not Path(order["news"]).is_file():
        fail(f"{order['news']}: there is no such file; check the path given to --news", code=2)
    if order.get("tape") and not Path(order["tape"]).exists():
        fail(f"{order['tape']}: there is no such file or folder; check the path given to --tape", code=2)


def check_home(home: Path) -> None:
    """Nothing is begun where it could not be kept.

    Raises:
        ConfigError: the home is no folder, nothing can be written there, or the disk is full.
    """
    from decot.errors import ConfigError

    near = next(path for path in (home.resolve(), *home.resolve().parents) if path.exists())
    other = "choose another with --home or DECOT_HOME"
    if not near.is_dir():
        raise ConfigError([f"--home {home}: {near} is no folder; {other}"])
    if not os.access(near, os.W_OK | os.X_OK):
        raise ConfigError([f"--home {home}: nothing can be written into {near}; {other}"])
    free = shutil.disk_usage(near).free
    if free < LEAST_FREE_MB * 1_000_000:
        raise ConfigError(
            [f"--home {home}: {free / 1e6:.0f} MB free, a run wants {LEAST_FREE_MB}; make room, or {other}"]
        )


def registered(word: str) -> Callable[..., Any]:
    for found in entry_points(group="decot.flows", name=word):
        return found.load()
    fail(f"no flow called {word} is installed; install the extra: pip install 'decot[demo]'")


def guarded(work: Callable[[Any], Any], quiet: bool) -> Any:
    from decot.report.progress import bars

    try:
        with bars(quiet=quiet) as listener:
            return work(listener)
    except (KeyboardInterrupt, SystemError) as stopped:
        if not _is_interrupt(stopped):
            raise
        fail(
            f"interrupted; nothing is lost. This goes on where it was, and says what it kept:\n  {again()}",
            INTERRUPTED,
        )
    except DecotError as refused:
        fail(f"{type(refused).__name__}: {refused}")
    except ModuleNotFoundError as missing:
        fail(f"{missing.name} is not installed; {_extra_of(missing.name or '')}")
    except OSError as trouble:
        fail(_told(trouble))


_WAYS_OUT = {
    errno.EACCES: "give it rights, or choose another folder with --home or DECOT_HOME",
    errno.EPERM: "give it rights, or choose another folder with --home or DECOT_HOME",
    errno.EROFS: "choose another folder with --home or DECOT_HOME",
    errno.ENOSPC: "make room, or choose another disk with --home or DECOT_HOME; nothing that was finished is lost",
    errno.EDQUOT: "make room, or choose another disk with --home or DECOT_HOME; nothing that was finished is lost",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: a file stands where a folder is meant",
    errno.EISDIR: "check the path: a folder stands where a file is meant",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def _told(trouble: OSError) -> str:
    """What the system refused, of which file, and the way out."""
    what = f"{trouble.filename}: " if trouble.filename is not None else ""
    said = trouble.strerror or str(trouble)
    way = _WAYS_OUT.get(trouble.errno or 0, "decot doctor looks at this installation")
    return f"{type(trouble).__name__}: {what}{said[:1].lower()}{said[1:]}; {way}"


def _extra_of(module: str) -> str:
    """What to type for a package that is missing: the smallest extra that brings it."""
    import re
    from importlib.metadata import PackageNotFoundError, requires

    wanted = module.split(".")[0].replace("_", "-").lower()
    try:
        lines = requires("decot") or []
    except PackageNotFoundError:
        lines = []
    for line in lines:
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if extra and re.match(r"[A-Za-z0-9_.-]+", line)[0].replace("_", "-").lower() == wanted:  # type: ignore[index]
            return f"pip install 'decot[{extra[1]}]' -c constraints.txt"
    return "pip install 'decot[demo]' -c constraints.txt"


def again() -> str:
    """The command line that was typed, to be typed again."""
    return shlex.join(["decot", *sys.argv[1:]])


def _is_interrupt(stopped: BaseException | None) -> bool:
    """Ctrl-C inside compiled code arrives as a SystemError that was caused by it."""
    while stopped is not None:
        if isinstance(stopped, KeyboardInterrupt):
            return True
        stopped = stopped.__cause__ or stopped.__context__
    return False


def fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


def show(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def listed(refs: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{ref['name']:<12} {ref['symbol']:<10} v{ref['version']:<4} {ref['rows']:>9} rows "
        f"{ref['columns']:>4} columns  {ref['digest'][:16]}"
        for ref in refs
    )
