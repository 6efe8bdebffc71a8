"""One page per command, from the program that answers it: help, arguments, options, examples. Knows typer and click.

What a person adds by hand (an example that is run, with its output) lies in `docs/_hooks/more/NAME.md` and is put
below.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

MORE = Path(__file__).resolve().parent / "more"


@cache
def tree() -> Any:
    """The click command of `decot`."""
    import typer

    from decot.cli.main import app

    return typer.main.get_command(app)


def names() -> list[str]:
    """Top-level commands, in the order of `decot --help`."""
    return list(tree().commands)


def fragments() -> list[str]:
    """Names of the pieces written by hand."""
    return sorted(path.stem for path in MORE.glob("*.md"))


def index() -> str:
    """All commands in one table."""
    rows = [
        f"| [`decot {name}`]({name}.md) | {_first(command.help)} |"
        for name, command in tree().commands.items()
    ]
    head = (
        "# Commands\n\n"
        "These pages are made from the program itself when the site is built; `decot COMMAND --help` says the same.\n\n"
        "Every command that answers takes `--json`: the last line of stdout is then one JSON object, and progress goes to\n"
        "stderr. Every command that keeps or reads something takes `--home` (or `DECOT_HOME`); it is `.decot` otherwise.\n\n"
    )
    codes = (
        "\n## Exit codes\n\n| code | means |\n|-|-|\n| 0 | done; of `run` and `gate`: promoted |\n"
        "| 1 | refused to work, with the reason and a way out on stderr |\n"
        "| 2 | the command line itself cannot be |\n"
        "| 3 | of `run` and `gate`: refused; of `trade`: halted, a person must look |\n"
        "| 4 | of `run` and `gate`: insufficient evidence |\n| 130 | interrupted; the same command goes on |\n"
    )
    return head + "| command | what for |\n|-|-|\n" + "\n".join(rows) + "\n" + codes


def page(name: str) -> str:
    """The page of one top-level command, with its subcommands."""
    command = tree().commands[name]
    parts = [f"# decot {name}\n", _told(command, f"decot {name}", 2)]
    for sub, inner in getattr(command, "commands", {}).items():
        parts += [f"## decot {name} {sub}\n", _told(inner, f"decot {name} {sub}", 3)]
    more = MORE / f"{name}.md"
    if more.is_file():
        parts.append(more.read_text())
    return "\n".join(parts)


def _told(command: Any, whole: str, level: int) -> str:
    said = [_sentences(command.help or "")]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [
        p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"
    ]
    usage = [whole, *(_metavar(one) for one in arguments)]
    if options:
        usage.append("[OPTIONS]")
    if getattr(command, "commands", None):
        usage.append("[COMMAND]" if command.invoke_without_command else "COMMAND")
    said.append(f"```text\n{' '.join(usage)}\n```")
    if arguments:
        rows = [f"| `{_metavar(one)}` | {_cell(one.help)} |" for one in arguments]
        said.append("| argument | |\n|-|-|\n" + "\n".join(rows))
    if options:
        rows = [f"| {_option(one)} | {_default(one)} | {_cell(one.help)} |" for one in options]
        said.append("| option | if not given | |\n|-|-|-|\n" + "\n".join(rows))
    if shown := examples(command):
        lines = "\n".join(f"{one}{'    # ' + why if why else ''}" for one, why in shown)
        said.append(f"```bash {{.listing}}\n{lines}\n```")
    return "\n\n".join(said) + "\n"


def examples(command: Any) -> list[tuple[str, str]]:
    """The examples of a command's help: [(command line, what it is for)]."""
    text = re.sub(r"^Examples?:\s*", "", command.epilog or "")
    found = []
    for one in re.split(r"\s+·\s+", text):
        for part in re.split(r"\s{2,}then\s{2,}", one):
            read = re.match(r"^(.*?)(?:\s{2,}\((.*)\))?$", part.strip())
            if read and read[1]:
                found.append((read[1], read[2] or ""))
    return found


def _metavar(argument: Any) -> str:
    word = argument.name.upper()
    return word if argument.required else f"[{word}]"


def _option(option: Any) -> str:
    shown = [*option.opts, *option.secondary_opts]
    kind = "" if option.is_flag else f" {_kind(option)}"
    return " ".join(f"`{word}{kind}`" for word in shown)


def _kind(option: Any) -> str:
    told = str(option.type_descriptor.annotation)
    return next(
        (word for kind, word in (("int", "N"), ("float", "X"), ("Path", "PATH")) if kind in told), "TEXT"
    )


def _default(option: Any) -> str:
    env = f" or `{option.envvar}`" if option.envvar else ""
    value = option.default
    if (
        callable(value)
        or value is None
        or value is False
        or str(value) in ("", "[]", "()")
        or "UNSET" in repr(value)
    ):
        return env.removeprefix(" or ")
    if option.name in {"who"}:
        return "who you are" + env
    return f"`{value}`{env}"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def _sentences(text: str) -> str:
    return re.sub(r"[ \t]*\n[ \t]*(?=\S)", " ", text.strip()).replace("\x08", "")


def _first(text: str | None) -> str:
    return _cell((text or "").strip().split("\n\n")[0].replace("\n", " "))
