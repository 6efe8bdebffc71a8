"""The pages of the commands are the program's own, and every command line in any page names what exists."""

from __future__ import annotations

import re
import shlex

import blocks
import commands
import pytest

LISTED = [block for block in blocks.all_blocks() if block.lang in blocks.SHELL]


def faults(line: str) -> list[str]:
    """What is wrong with a line that begins with `decot`; alternatives are split at ` | `."""
    found = []
    plain = re.sub(r"\s+#.*$", "", line.strip())
    plain = re.sub(r"^(?:\w+=(?:'[^']*'|\"[^\"]*\"|\S+)\s+)+", "", plain)
    if not plain.startswith("decot "):
        return []
    first, *others = re.split(r"\s+\|\s+", plain)
    words = first.split()[1:]
    known = set(commands.names())
    group = getattr(commands.tree().commands.get(words[0]), "commands", {})
    for other in others:
        head = other.split()[0]
        alone = head in known and head not in group
        found += faults_of(shlex.split(other if alone else f"{words[0]} {other}"))
    return found + faults_of(shlex.split(first)[1:])


def faults_of(words: list[str]) -> list[str]:
    """What is wrong with the words after `decot`."""
    command = commands.tree()
    trail = "decot"
    while words and getattr(command, "commands", None):
        if words[0].startswith("-"):
            break
        nearer = command.commands.get(words[0]) or (
            commands.tree().commands["gate"].commands["judge"] if trail == "decot gate" else None
        )
        if nearer is None:
            return [f"{trail} has no command {words[0]!r}"]
        trail, command = f"{trail} {words[0]}", nearer
        words = words[1:]
    options = {word for one in command.params for word in (*one.opts, *one.secondary_opts)} | {"--help"}
    asked = [word.split("=")[0] for word in words if re.match(r"--\w", word)]
    return [f"{trail} has no option {word}" for word in asked if word not in options]


@pytest.mark.parametrize("block", LISTED, ids=[block.name for block in LISTED])
def test_every_command_line_exists(block):
    """Commands, subcommands and options of every `decot …` line in the docs are the program's."""
    code = block.code.replace("\\\n", " ")
    lines = [re.sub(r"^[\w ]*\$ ", "", line) for line in code.split("\n")]
    assert [fault for line in lines for fault in faults(line)] == []


def test_the_check_can_fail():
    """A command, a subcommand and an option that do not exist are each named."""
    assert faults("decot rum --json") == ["decot has no command 'rum'"]
    assert faults("decot keys list | rotat") == ["decot keys has no command 'rotat'"]
    assert faults("X=1 decot trade 3f --lief") == ["decot trade has no option --lief"]
    assert faults("decot gate RUN --fee-bps 2   # a what-if | not a command") == []


def test_every_command_has_a_page_with_an_example():
    """Every command and subcommand shows at least one example, and its options are there."""
    for name in commands.names():
        page = commands.page(name)
        assert ".listing" in page, name
        for command in [
            commands.tree().commands[name],
            *getattr(commands.tree().commands[name], "commands", {}).values(),
        ]:
            for option in command.params:
                if option.param_type_name == "option" and option.name != "help":
                    assert option.opts[0] in page, (name, option.name)


@pytest.mark.parametrize("name", commands.names())
def test_the_examples_of_the_help_exist(name):
    """The examples that `--help` shows use commands and options that exist."""
    top = commands.tree().commands[name]
    for command in [top, *getattr(top, "commands", {}).values()]:
        for line, _ in commands.examples(command):
            assert faults(line) == []
