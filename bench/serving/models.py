"""The models that are served: trained by our own `train`, each once in a benchmark."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from processes import Command, run, script, tool
from serving.rows import NARROW, WIDE, asked_path, training_path
from workplace import Workplace

_HUNDRED_TREES = {"algorithm": "xgboost", "num_round": 100, "max_depth": 6}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained, and for how many columns."""

    hyperparameters: Mapping[str, object] = field(hash=False)
    n_features: int = NARROW
    label: str = "value"


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "xgboost": Recipe(_HUNDRED_TREES),
        "lightgbm": Recipe({"algorithm": "lightgbm", "num_round": 100}),
        "scikit-learn": Recipe(
            {"algorithm": "logistic_regression", "standardize": "true"}, label="class"
        ),
        "wide": Recipe(_HUNDRED_TREES, WIDE),
        # Five megabytes of trees.
        "large": Recipe({"algorithm": "xgboost", "num_round": 152, "max_depth": 10}),
    }
)


def opt_ml(workplace: Workplace, name: str) -> Path:
    """Return the root of the tree in whose ``model`` folder a model lies, trained if need be."""
    return _trained(workplace.root / "serving", name)


def asked(workplace: Workplace, n_features: int) -> Path:
    """Return the CSV file with the rows to predict."""
    return asked_path(_rows(workplace.root / "serving"), n_features)


def model_bytes(root: Path) -> int:
    """Return the size of a model folder."""
    return sum(path.stat().st_size for path in (root / "model").iterdir())


@cache
def _rows(folder: Path) -> Path:
    rows = folder / "rows"
    run(Command("rows", script("serving/rows.py", rows)))
    return rows


@cache
def _trained(folder: Path, name: str) -> Path:
    recipe, root = RECIPES[name], folder / "models" / name
    shutil.rmtree(root, ignore_errors=True)
    config, channel = root / "input" / "config", root / "input" / "data" / "train"
    config.mkdir(parents=True)
    channel.mkdir(parents=True)
    texts = {key: str(value) for key, value in recipe.hyperparameters.items()}
    (config / "hyperparameters.json").write_text(json.dumps(texts))
    entry = {"TrainingInputMode": "File", "ContentType": "text/csv"}
    (config / "inputdataconfig.json").write_text(json.dumps({"train": entry}))
    data = training_path(_rows(folder), recipe.label, recipe.n_features)
    os.link(data, channel / "rows.csv")
    run(Command(f"train {name}", tool("train"), {"SAGEMAKER_BASE_DIR": str(root)}))
    return root
