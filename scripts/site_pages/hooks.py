"""Hooks of mkdocs: add generated pages, and the pages of the repository's root folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

ROOT_PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Documents of the root folder, with paths on the site."""

WIDE_PAGES = ("reference/options.md",)
"""Pages with a wide table, which have no table of contents beside the text."""

_PICTURE = re.compile(r"!\[(?P<text>[^]]*)\]\((?P<path>[./]*images/)(?P<name>[\w-]+)\.png\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages.

    Args:
        files: The files of the site.
        config: The configuration of mkdocs.
    """
    # A process of its own, because mkdocs would count warnings that an import of Prefect logs.
    command = [sys.executable, "-m", "scripts.site_pages"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout
    for name, text in json.loads(printed).items():
        committed = files.get_file_from_path(name)
        if committed is not None:  # The page that the repository shows without a build.
            files.remove(committed)
        files.append(File.generated(config, name, content=text))
    for name, target in ROOT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, target, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Replace links to files by links to pages, and add the pictures of the dark theme.

    Args:
        markdown: The text of the page.
        page: The page.
    """
    for name, target in ROOT_PAGES.items():
        markdown = re.sub(
            rf"\]\((\.\./)*{re.escape(name)}(?=[)#])", f"]({_up(page)}{target}", markdown
        )
    if page.file.src_uri in WIDE_PAGES:
        page.meta["hide"] = ["toc"]
    markdown = _PICTURE.sub(_with_dark_theme, markdown)
    return markdown.replace("](decisions)", "](decisions/index.md)")


def _with_dark_theme(picture: re.Match[str]) -> str:
    text, path, name = picture["text"], picture["path"], picture["name"]
    if not (ROOT / "docs" / "images" / f"{name}-dark.png").is_file():
        return picture[0]
    return f"![{text}]({path}{name}.png#only-light)![{text}]({path}{name}-dark.png#only-dark)"


def _up(page: Page) -> str:
    return "../" * page.file.src_uri.count("/")
