"""Code blocks of the documentation."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.S | re.M)


@dataclass(frozen=True)
class CodeBlock:
    """A code block of a page.

    Attributes:
        page: The path of the page.
        line: The line of the page with the fence.
        language: The language, such as `python` or `sh`.
        text: The code, without the indent of a list.
    """

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """The place of the block, for messages."""
        return f"{self.page.name}:{self.line}"

    def commands(self) -> list[str]:
        """Return the commands of a shell block, without comments."""
        lines = [line.partition("  #")[0].strip() for line in self.text.splitlines()]
        return [line for line in lines if line]


def code_blocks(page: Path) -> list[CodeBlock]:
    """Return the code blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        CodeBlock(page, text[: found.start()].count("\n") + 1, found[2], dedent(found[3]))
        for found in _FENCE.finditer(text)
    ]


def run_python(code: str, names: dict[str, Any], place: str) -> None:
    """Run Python code as a notebook would, which can await at the top level.

    Args:
        code: The code.
        names: The global names, which the code can change.
        place: The place of the code, for tracebacks.
    """
    compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)
