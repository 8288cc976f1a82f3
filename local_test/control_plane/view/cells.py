"""Cells of tables whose text may be longer than there is room for."""

from __future__ import annotations

from rich.text import Text


def cell(text: str, *, is_cut: bool) -> Text:
    """Return a cell that ends with an ellipsis where it is cut, and else takes further lines."""
    return Text(text, no_wrap=True, overflow="ellipsis") if is_cut else Text(text, overflow="fold")
