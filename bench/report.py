"""What a section found: tables to read, claims that hold or not, figures for results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise and what was measured.

    Attributes
    ----------
    text : str
        What is promised, with its bound.
    figure : str
        What was measured, with its unit.
    holds : bool
    """

    text: str
    figure: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its title; the first column is text, the others are numbers."""

    title: str
    header: Row
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """Return the table with aligned columns."""
        cells = [[str(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
        rule = "-" * max(map(len, lines))
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, *self.notes])


@dataclass(slots=True)
class Section:
    """What one section of the benchmark found."""

    name: str
    tables: list[Table] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def show(self, table: Table) -> None:
        """Print a table now, and keep it."""
        self.tables.append(table)
        print(f"\n{table.text()}", flush=True)

    def document(self) -> dict[str, Any]:
        """Return what results.json says of the section."""
        claims = [
            {"claim": each.text, "figure": each.figure, "holds": each.holds} for each in self.claims
        ]
        return {"claims": claims, **self.figures}


def claims_table(sections: Sequence[Section]) -> Table:
    """Return claim → figure → holds or not, over all sections."""
    rows = [
        (f"{section.name}: {claim.text}", claim.figure, "holds" if claim.holds else "FAILS")
        for section in sections
        for claim in section.claims
    ]
    return Table("Claims", ("claim", "measured", ""), rows)


def times(value: float) -> str:
    """Write a ratio."""
    return f"{value:.2f}x"


def seconds(value: float) -> str:
    """Write a time."""
    return f"{value:.2f} s"


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f} %"


def mebibytes(n_bytes: float) -> str:
    """Write an amount of memory."""
    return f"{n_bytes / 2**20:.0f} MiB"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
