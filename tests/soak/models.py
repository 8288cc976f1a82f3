"""Small models of every library, each with rows whose answers are known beforehand.

What a row is worth to the model is worked out here once more, so that `serve` is compared with
something other than itself.
"""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossfold.contract.paths import OptMl
from crossfold.persistence.bundle import LoadedBundle, load_bundle
from tests.in_process import run_here, write_job

Cell = float | str | None
Row = tuple[Cell, ...]
Score = float | str | tuple[float, ...]

N_KNOWN = 64
_N_TRAINED = 160
_COLOURS = ("red", "deep blue", "7", "1.5", "a, b", 'say "hi"', "grün")
_NUMBERS = ("width", "größe, cm", "mass")
_MISSING_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train one model on made-up rows."""

    own: Mapping[str, str]
    classes: tuple[str, ...]
    has_categories: bool = False
    has_header: bool = True
    n_columns: int = 4


RECIPES: Mapping[str, Recipe] = {
    "xgboost-binary": Recipe(
        {"algorithm": "xgboost", "num_round": "3", "max_depth": "3"}, ("0", "1"), has_header=False
    ),
    "xgboost-softprob": Recipe(
        {"algorithm": "xgboost", "num_round": "3", "objective": "multi:softprob"},
        ("cat", 'dog, "big"', "ünicorn"),
        has_categories=True,
    ),
    "lightgbm-regression": Recipe(
        {"algorithm": "lightgbm", "num_round": "3"}, (), has_categories=True
    ),
    "lightgbm-binary": Recipe({"algorithm": "lightgbm", "num_round": "3"}, ("no", "yes")),
    "forest-multiclass": Recipe(
        {
            "algorithm": "random_forest",
            "task": "multiclass",
            "n_estimators": "4",
            "max_depth": "3",
        },
        ("1", "2.5", "30"),
        has_categories=True,
    ),
    "linear": Recipe({"algorithm": "ridge"}, (), has_header=False),
}
WIDE: Mapping[str, Recipe] = {
    "wide": Recipe(
        {"algorithm": "xgboost", "num_round": "20", "task": "binary"},
        ("0", "1"),
        has_header=False,
        n_columns=50,
    )
}
"""What bodies of many megabytes are sent to."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model folder, its columns, and rows with their answers.

    Attributes
    ----------
    name : str
    root : Path
        ``SAGEMAKER_BASE_DIR`` to serve it from.
    names : tuple of str
        Of the columns.
    categories : tuple
        By column: its categories, None where it holds numbers.
    absent : float
        What an entry that a LIBSVM line leaves out is worth.
    rows : tuple of Row
    scores : tuple of Score
        The default answer for each row.
    """

    name: str
    root: Path
    names: tuple[str, ...]
    categories: tuple[tuple[str, ...] | None, ...]
    absent: float
    rows: tuple[Row, ...]
    scores: tuple[Score, ...]

    @property
    def is_numeric(self) -> bool:
        """Say whether no column has categories."""
        return not any(self.categories)

    @property
    def has_named_columns(self) -> bool:
        """Say whether a CSV header can be told from a row."""
        return not all(name.isdigit() for name in self.names)


def train_models(folder: Path, recipes: Mapping[str, Recipe] = RECIPES) -> None:
    """Train each recipe into a folder of its name."""
    for name, recipe in recipes.items():
        own: dict[str, str] = dict(recipe.own) | {"header": str(recipe.has_header).lower()}
        own |= {"label": "target"} if recipe.has_header else {}
        own |= {"categorical_columns": "colour"} if recipe.has_categories else {}
        ended = run_here(write_job(folder / name, own, {"train": {"a.csv": _training(recipe)}}))
        assert ended.error is None, f"{ended.failure}\n{ended.log}"


def known_model(folder: Path, name: str) -> KnownModel:
    """Load a model that `train_models` wrote, and let its library answer the known rows."""
    root = folder / name
    bundle = load_bundle(OptMl(root).model, n_threads=1)
    columns = bundle.manifest.columns
    categories = tuple(
        None if column.kind == "number" else tuple(column.categories) for column in columns
    )
    rows = _rows(random.Random(f"known {name}"), categories, N_KNOWN)
    return KnownModel(
        name=name,
        root=root,
        names=tuple(column.name for column in columns),
        categories=categories,
        absent=math.nan if bundle.manifest.algorithm == "xgboost" else 0.0,
        rows=rows,
        scores=_scores(bundle, [_features(row, categories) for row in rows]),
    )


def _training(recipe: Recipe) -> str:
    rng = random.Random(f"training {recipe.own}")
    last = _COLOURS if recipe.has_categories else None
    categories = (*[None] * (recipe.n_columns - 1), last)
    names = (*_NUMBERS, "colour" if recipe.has_categories else "depth")
    lines: list[Sequence[object]] = [("target", *names)] if recipe.has_header else []
    for row in _rows(rng, categories, _N_TRAINED):
        seen = tuple(_COLOURS[0] if cell == "never seen" else cell for cell in row)
        signal = sum(cell for cell in seen if isinstance(cell, float)) + 5 * (seen[-1] in _COLOURS)
        target: object = signal + rng.random()
        if recipe.classes:
            target = recipe.classes[int(abs(signal) / 2) % len(recipe.classes)]
        lines.append((target, *seen))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _rows(
    rng: random.Random, categories: Sequence[tuple[str, ...] | None], n_rows: int
) -> tuple[Row, ...]:
    return tuple(tuple(_cell(rng, texts) for texts in categories) for _ in range(n_rows))


def _cell(rng: random.Random, texts: tuple[str, ...] | None) -> Cell:
    if rng.random() < _MISSING_SHARE:
        return None
    # Eighths are exact in every float type, so that all formats can hold the same row.
    return rng.randint(-64, 64) / 8 if texts is None else rng.choice((*texts, "never seen"))


def _features(row: Row, categories: Sequence[tuple[str, ...] | None]) -> list[float]:
    values = []
    for cell, texts in zip(row, categories, strict=True):
        if cell is None:
            values.append(math.nan)
        elif texts is None:
            values.append(float(cell))
        else:
            values.append(float(texts.index(str(cell)) if cell in texts else len(texts)))
    return values


def _scores(bundle: LoadedBundle, features: list[list[float]]) -> tuple[Score, ...]:
    manifest = bundle.manifest
    said = bundle.predict(np.array(features, manifest.dtype))
    if said.values is not None:
        return tuple(said.values.astype(float).tolist())
    probabilities = said.probabilities
    if probabilities is not None and probabilities.shape[1] == 2:
        return tuple(probabilities[:, 1].astype(float).tolist())
    if probabilities is not None and manifest.objective == "multi:softprob":
        return tuple(map(tuple, probabilities.astype(float).tolist()))
    assert said.labels is not None
    return tuple(manifest.classes[code] for code in said.labels.tolist())
