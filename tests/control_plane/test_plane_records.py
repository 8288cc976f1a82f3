"""Records and runs as every machine of the plane keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.under_way import UnderWay
from local_test.control_plane.training.simulated import MemoryJournal
from tests.control_plane.lossy_journal import LossyJournal


@dataclass
class _Shape:
    name: str
    created: float
    sides: dict[str, int] = field(default_factory=dict)


def test_records_come_back_in_the_order_of_their_creation_without_those_removed() -> None:
    journal = MemoryJournal()
    shapes = Records(journal, "shape", _Shape)
    for name, created in (("square", 3.0), ("line", 2.0), ("dot", 1.0), ("cube", 4.0)):
        shapes.save(_Shape(name, created, {"sides": len(name)}))
    line = shapes.find("line")
    assert line is not None
    line.sides["sides"] = 1
    shapes.save(line)
    shapes.remove(shapes.all()[0])

    restored = Records(journal, "shape", _Shape)

    assert restored.restore() == (
        _Shape("dot", 1.0, {"sides": 3}),
        _Shape("line", 2.0, {"sides": 1}),
        _Shape("cube", 4.0, {"sides": 4}),
    )
    assert "square" not in shapes
    assert shapes.find("square") is None


@pytest.mark.parametrize(
    "broken", [{}, {"name": "a"}, {"name": "a", "created": 1.0, "colour": "red"}], ids=str
)
def test_a_record_that_cannot_be_read_is_left_out_and_said(
    broken: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    journal = MemoryJournal()
    journal.save("shape", "a", broken)
    journal.save("shape", "b", {"name": "b", "created": 2.0})
    shapes = Records(journal, "shape", _Shape)

    assert [each.name for each in shapes.restore()] == ["b"]
    assert "a record of the journal is no shape and is left out" in caplog.text


def test_a_new_record_that_cannot_be_written_is_none() -> None:
    journal = LossyJournal()
    shapes = Records(journal, "shape", _Shape)
    shapes.save(_Shape("old", 1.0))
    journal.is_full = True

    with pytest.raises(OSError, match="no space"):
        shapes.save(_Shape("new", 2.0))

    assert [each.name for each in shapes.all()] == ["old"]


@dataclass
class _Countdown:
    """A run that is over after `left` steps; it breaks at `breaks`."""

    job: _Shape
    left: int
    breaks: int = -1

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    def step(self) -> None:
        if self.left == self.breaks:
            raise KeyError(self.job.name)
        self.left -= 1


class _Countdowns:
    """Runs whose jobs are written as what is left of them."""

    def __init__(self) -> None:
        self.disk = LossyJournal()
        self.told: list[str] = []
        self.runs = UnderWay[_Countdown, int]("countdown", write=self._write, abandon=self._abandon)

    def add(self, name: str, left: int, breaks: int = -1) -> None:
        self.runs.add(_Countdown(_Shape(name, 0.0), left, breaks))

    def _write(self, run: _Countdown, saved: int | None) -> int:
        if run.left != saved:
            self.disk.save("countdown", run.job.name, {"left": run.left})
        return run.left

    def _abandon(self, run: _Countdown, defect: str) -> None:
        self.told.append(f"{run.job.name}: {defect}")
        run.left = 0


def test_a_defect_fails_its_own_job_and_the_others_go_on() -> None:
    world = _Countdowns()
    world.add("bad", 3, breaks=2)
    world.add("good", 3)

    world.runs.step()
    world.runs.step()

    assert world.told == ["bad: KeyError: 'bad'"]
    assert [(run.job.name, run.left) for run in world.runs] == [("good", 1)]


def test_an_end_that_cannot_be_written_is_tried_again_before_the_run_is_let_go() -> None:
    world = _Countdowns()
    world.add("a", 1)
    world.disk.is_full = True

    world.runs.step()
    while_full = len(world.runs)
    world.disk.is_full = False
    world.runs.save(world.runs["a"])

    assert (while_full, len(world.runs)) == (1, 0)
    assert world.disk.load("countdown") == [{"left": 0}]


def test_what_has_not_changed_is_not_written_again() -> None:
    world = _Countdowns()
    world.add("a", 2)
    (run,) = world.runs

    for _ in range(3):
        world.runs.save(run)

    assert world.disk.saves["countdown", "a"] == 1


def test_a_run_whose_job_cannot_be_written_is_not_under_way() -> None:
    world = _Countdowns()
    world.disk.is_full = True

    with pytest.raises(OSError, match="no space"):
        world.add("a", 1)

    assert not world.runs
