"""What benchmarks write into the pages: the block between the two comments that name it, and no more."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FULL = ROOT / "benchmarks" / "README.md"
"""The page of the whole tables; the README has what fits one look."""


def block(text: str, name: str) -> str:
    """What stands between the comments of a name.

    Raises:
        ValueError: the text has no such block, or several.
    """
    found = re.findall(_pattern(name), text, re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"found {len(found)} blocks called benchmark:{name} in the page; one is wanted")
    return str(found[0][1])


def filled(text: str, name: str, content: str) -> str:
    """The text with another content between the comments of a name; else as it was."""
    block(text, name)
    return re.sub(_pattern(name), lambda m: m[1] + content + m[3], text, flags=re.DOTALL)


def fill(page: Path, name: str, content: str) -> None:
    """Put a benchmark's content into a page."""
    page.write_text(filled(page.read_text("utf-8"), name, content), "utf-8")


def table(heads: list[str], rows: list[list[str]], *, first: str = "---") -> str:
    """A table in Markdown: figures stand to the right, what they belong to (the first column) to the left."""
    lines = [heads, [first, *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _pattern(name: str) -> str:
    return rf"(<!-- benchmark:{name} -->\n)(.*?)(<!-- /benchmark:{name} -->)"
