"""What else has a status as a table: endpoints, transform and processing jobs, model versions."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from local_test.control_plane.view import wording
from local_test.control_plane.view.cells import cell
from local_test.control_plane.view.progress import Progress, seconds_of
from local_test.control_plane.view.snapshot_shape import ResourceShown

_STYLES = {"Completed": "green", "InService": "green", "Failed": "red", "Stopped": "yellow"}
_MOST_FACTS = 2
# Columns of a terminal: from how many there is room for facts, and how many these take.
_WIDE, _FACTS = 100, 48


def resources_table(progress: Progress, *, width: int, rows: int | None) -> Table | None:
    """Return the table, or None where there is nothing of the kind.

    Of more than `rows` things, those on their way to another status and the newest are shown.
    """
    shown = _shown(list(progress.snapshot.resources.values()), rows)
    if not shown:
        return None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("beside training", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    if width >= _WIDE:
        table.add_column("facts", overflow="ellipsis", no_wrap=True, max_width=_FACTS)
    for each in shown:
        time = wording.duration(seconds_of(each.started, each.ended, progress.snapshot.now))
        name = cell(each.name, is_cut=rows is not None)
        facts = [_facts(each)] if width >= _WIDE else []
        table.add_row(
            wording.kind_of(each), name, each.status, time, *facts, style=_STYLES.get(each.status)
        )
    return table


def _shown(resources: Sequence[ResourceShown], rows: int | None) -> Sequence[ResourceShown]:
    if rows is None or len(resources) <= rows:
        return resources
    live = [each for each in resources if each.is_live]
    others = [each for each in resources if not each.is_live]
    newest = sorted(others, key=lambda each: each.created)[-max(rows - len(live), 1) :]
    return [each for each in resources if each.is_live or each in newest]


def _facts(resource: ResourceShown) -> str:
    facts = list(resource.facts.items())[:_MOST_FACTS]
    return ", ".join(f"{name} {text}" for name, text in facts)
