"""Draw the cost in rows and in K from results.json.

python bench/scaling_plot.py build/bench/results.json build/bench/scaling.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

_PANELS = {"rows": "rows (K = 5)", "folds": "K (100,000 rows)"}


def draw(results: Path, image: Path) -> None:
    """Write one panel for the rows and one for K, each with both libraries."""
    scaling = json.loads(results.read_text())["sections"]["scaling"]
    figure, panels = plt.subplots(1, len(_PANELS), figsize=(10, 4), layout="constrained")
    for panel, (name, label) in zip(panels, _PANELS.items(), strict=True):
        panel.set(xscale="log", yscale="log", xlabel=label, ylabel="wall time of the process, s")
        panel.xaxis.minorticks_off()
        for library in ("xgboost", "lightgbm"):
            _draw_line(panel, library, scaling[library][name])
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.legend()
    figure.suptitle("Cross-validation of 30 columns, 20 rounds")
    figure.savefig(image, dpi=120)


def _draw_line(panel: Any, library: str, measured: dict[str, Any]) -> None:
    sizes = [int(size) for size in measured["wall_s"]]
    exponent = measured["exponents"]["process"]
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
    panel.plot(
        sizes,
        list(measured["wall_s"].values()),
        marker="o",
        label=f"{library}, exponent {exponent:.2f}",
    )


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
