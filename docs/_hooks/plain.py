"""A docstring is plain words: brackets of arrays are not links, `a, b: …` is two arguments. Knows griffe's objects."""

from __future__ import annotations

import re
from typing import Any

import griffe

CODE = re.compile(r"(`[^`]*`)")
SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+): (.*)$", re.M)


class Plain(griffe.Extension):
    """Rewrite docstrings for Markdown: backslashes before `[`, `]`, `<`, `|` outside of code, one line per argument."""

    def on_object(self, *, obj: griffe.Object, **more: Any) -> None:
        if obj.docstring is None:
            return
        parts = CODE.split(obj.docstring.value)
        text = "".join(part if k % 2 else _plain(part) for k, part in enumerate(parts))
        obj.docstring.value = SEVERAL.sub(_apart, text) if "Args:" in text else text


def _plain(text: str) -> str:
    return re.sub(r"(?<!\\)([\[\]<|])", r"\\\1", text)


def _apart(found: re.Match[str]) -> str:
    return "\n".join(f"{found[1]}{name}: {found[3]}" for name in found[2].split(", "))
