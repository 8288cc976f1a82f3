"""Peak memory of cross-validating 2,000,000 × 30 from Parquet, beside the library's own matrix.

The peak is the greatest resident size of any process of the job, less what an interpreter holds
that has imported NumPy, PyArrow and the library.  The number of rounds does not matter to it.
"""

from __future__ import annotations

from datasets import N_FEATURES, PARQUET_ROWS
from processes import Command, bare_imports, run
from report import Claim, Section, Table, mebibytes, seconds, times
from workplace import CELL_BYTES, LIBRARIES, Workplace

BOUND = 3.0

_FOLDS = (2, 5, 10)
_QUICK_FOLDS = (5,)
_N_ROUNDS = 3


def measure_memory(workplace: Workplace) -> Section:
    """Measure both libraries for several K."""
    section = Section("memory")
    for library in LIBRARIES:
        _measure_library(workplace, library, section)
    return section


def _measure_library(workplace: Workplace, library: str, section: Section) -> None:
    matrix_bytes = PARQUET_ROWS * N_FEATURES * CELL_BYTES[library]
    base = run(Command("imports", bare_imports("numpy", library, "pyarrow"))).peak_bytes
    peaks, rows = {}, []
    for n_folds in _QUICK_FOLDS if workplace.quick else _FOLDS:
        settings = {"cv_folds": n_folds, "num_round": _N_ROUNDS, "cv_final_model": "none"}
        data = workplace.parquet(PARQUET_ROWS, library)
        job = workplace.cv_job(f"memory {library}", data, library, settings)
        found = run(job.command())
        peaks[n_folds] = found.peak_bytes - base
        ratio = peaks[n_folds] / matrix_bytes
        sizes = map(mebibytes, (found.peak_bytes, peaks[n_folds]))
        rows.append((f"K = {n_folds}", *sizes, times(ratio), seconds(found.wall_s)))
    section.show(
        Table(
            f"{library}: peak memory, {PARQUET_ROWS:,} x {N_FEATURES} from Parquet; "
            f"imports {mebibytes(base)}, matrix {mebibytes(matrix_bytes)}",
            ("", "peak", "above imports", "of the matrix", "wall"),
            rows,
        )
    )
    _judge(section, library, peaks, matrix_bytes)
    section.figures[library] = {
        "matrix_bytes": matrix_bytes,
        "imports_bytes": base,
        "above_imports_bytes": {str(k): peak for k, peak in peaks.items()},
    }


def _judge(section: Section, library: str, peaks: dict[int, int], matrix_bytes: int) -> None:
    worst = max(peaks.values()) / matrix_bytes
    bound = f"{library}: at most {BOUND:g}x its matrix above the imports"
    section.claims.append(Claim(bound, times(worst), holds=worst <= BOUND))
    if len(peaks) == 1:
        return
    few, many = sorted(peaks)[-2:]
    growth = peaks[many] / peaks[few]
    # A fold fits 1 - 1/K of the rows, and nothing else may grow.
    bound_by_rows = (1 - 1 / many) / (1 - 1 / few)
    text = (
        f"{library}: K = {many} at most {times(bound_by_rows)} of K = {few}, "
        "as the rows of a fit (not growing with K)"
    )
    section.claims.append(Claim(text, times(growth), holds=growth <= bound_by_rows))
