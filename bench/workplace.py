"""Where the benchmark works: folders, data files, and whether it is to be quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import csv_path, iris_path, parquet_path
from jobs import CvJob
from processes import Command, run, script

LIBRARIES = ("xgboost", "lightgbm")
# What the library's own matrix holds, and what the column's file has.
PRECISION = {"xgboost": "float32", "lightgbm": "float64"}
CELL_BYTES = {"xgboost": 4, "lightgbm": 8}


@dataclass(frozen=True, slots=True)
class Workplace:
    """Folders of one benchmark.

    Attributes
    ----------
    root : Path
        Everything is written below it.
    quick : bool
        Fewer runs and smaller data; the claims are then only indicated.
    """

    root: Path
    quick: bool

    def prepare(self) -> None:
        """Write the data that is not there yet, in a process of its own."""
        run(Command("datasets", script("datasets.py", self._data)))

    def csv(self, n_rows: int) -> Path:
        """Return the CSV file with `n_rows` rows."""
        return csv_path(self._data, n_rows)

    def parquet(self, n_rows: int, library: str) -> Path:
        """Return the Parquet file with `n_rows` rows in the library's precision."""
        return parquet_path(self._data, n_rows, PRECISION[library])

    @property
    def iris(self) -> Path:
        """The 150 flowers, class first."""
        return iris_path(self._data)

    def scratch(self, name: str) -> Path:
        """Return a file that a peer may write its results to."""
        folder = self.root / "peers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def cv_job(
        self, name: str, data: Path, algorithm: str, hyperparameters: Mapping[str, object]
    ) -> CvJob:
        """Return a cross-validation by us; nothing is set but what is given here."""
        root = self.root / "jobs" / name.replace(" ", "-")
        return CvJob(name, root, data, {"algorithm": algorithm, **hyperparameters})

    @property
    def _data(self) -> Path:
        return self.root / "data"
