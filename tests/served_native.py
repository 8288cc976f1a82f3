"""What the native library says of rows, from the files of a model that `train` wrote.

Nothing here is our own code: the manifest's JSON gives the categories' codes and the classes, the
libraries read their own formats.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.served_formats import Rows


class Native:
    """The model folder as its library and `json` read it.

    Parameters
    ----------
    folder : Path
    index : int, optional
        Which of an ensemble's models.
    """

    def __init__(self, folder: Path, index: int = 0) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = self.manifest["models"][index]["files"]
        by_suffix = {Path(name).suffix: folder / name for name in files}
        self._known = json.loads(by_suffix[".json"].read_text()) if ".json" in by_suffix else {}
        self._path = next(path for suffix, path in by_suffix.items() if suffix != ".json")

    @property
    def task(self) -> str:
        return str(self.manifest["task"])

    @property
    def classes(self) -> list[str]:
        return list(self.manifest["classes"])

    @property
    def family(self) -> str:
        algorithm = self.manifest["algorithm"]
        return algorithm if algorithm in ("xgboost", "lightgbm") else "sklearn"

    @cached_property
    def model(self) -> Any:
        """The library's own object, by the library's own reader."""
        if self.family == "xgboost":
            import xgboost

            return xgboost.Booster(model_file=self._path)
        if self.family == "lightgbm":
            import lightgbm

            return lightgbm.Booster(model_file=self._path, params={"verbosity": -1})
        import skops.io

        trusted = skops.io.get_untrusted_types(file=self._path)
        return skops.io.load(self._path, trusted=trusted)

    def matrix(self, rows: Rows) -> NDArray[np.float64]:
        """Code rows by the manifest; a category that is unknown is missing to boosters."""
        columns = self.manifest["columns"]
        assert [column["name"] for column in columns] == list(rows.names)
        coded = [
            [self._code(place, column["categories"], cell) for cell in rows.column(column["name"])]
            if column["type"] == "category"
            else [np.nan if cell is None else cell for cell in rows.column(column["name"])]
            for place, column in enumerate(columns)
        ]
        return np.array(coded, dtype=np.float64).T

    def _code(self, place: int, categories: list[str], cell: object) -> float:
        if cell is None:
            return np.nan
        # To a one-hot encoder an unknown category is none of its own, which missing may be.
        unknown = float(len(categories)) if self.family == "sklearn" else np.nan
        if str(cell) not in categories:
            return unknown
        code = categories.index(str(cell))
        known = self._known.get(str(place))
        if known is None:
            return code
        return float(known.index(code)) if code in known else unknown

    def predict(self, matrix: Any, **options: Any) -> NDArray[np.float64]:
        """Let the booster predict, or the pipeline; options are the library's."""
        if self.family == "xgboost":
            import xgboost

            kinds = ["c" if c["type"] == "category" else "q" for c in self.manifest["columns"]]
            if not isinstance(matrix, np.ndarray):  # a sparse one: what is absent is missing
                data = xgboost.DMatrix(matrix)
            else:
                data = xgboost.DMatrix(
                    matrix.astype(np.float32), feature_types=kinds, enable_categorical=True
                )
            return np.asarray(self.model.predict(data, **options), dtype=np.float64)
        return np.asarray(self.model.predict(matrix, **options))

    @cached_property
    def objective(self) -> str:
        """XGBoost's, as the booster itself tells it."""
        learner = json.loads(self.model.save_config())["learner"]
        return str(learner["objective"]["name"])

    @property
    def says_probabilities(self) -> bool:
        if self.family == "xgboost":
            return self.objective != "binary:hinge"
        return self.family == "lightgbm" or hasattr(self.model, "predict_proba")

    def probabilities(self, matrix: Any) -> NDArray[np.float64]:
        """Return (n_rows,), of the positive class, or (n_rows, n_classes)."""
        if self.family == "xgboost" and self.objective == "binary:logitraw":
            return np.asarray(1 / (1 + np.exp(-self.predict(matrix))))
        if self.family != "sklearn":
            return self.predict(matrix)
        by_class = np.asarray(self.model.predict_proba(matrix))
        return by_class[:, 1] if self.task == "binary" else by_class

    def margins(self, matrix: Any) -> NDArray[np.float64]:
        if self.family == "sklearn":
            return np.asarray(self.model.decision_function(matrix))
        raw = "output_margin" if self.family == "xgboost" else "raw_score"
        return self.predict(matrix, **{raw: True})

    def contributions(self, matrix: Any) -> NDArray[np.float64]:
        """Return (n_rows, n_features + 1), or (n_rows, n_classes, n_features + 1)."""
        option = "pred_contribs" if self.family == "xgboost" else "pred_contrib"
        values = self.predict(matrix, **{option: True})
        n_values = len(self.manifest["columns"]) + 1
        shape = (-1, n_values) if self.task != "multiclass" else (len(values), -1, n_values)
        return values.reshape(shape)

    def labels(self, matrix: Any) -> list[str]:
        """Return the class of each row."""
        if self.family == "sklearn":
            codes = self.predict(matrix).astype(int)
        else:
            found = self.predict(matrix)
            if found.ndim == 2:
                codes = found.argmax(axis=1)
            elif self.task == "multiclass":  # multi:softmax says codes itself
                codes = found.astype(int)
            else:
                codes = (self.probabilities(matrix) > 0.5).astype(int)
        return [self.classes[code] for code in codes.tolist()]

    def scores(self, matrix: Any, *, as_probabilities: bool = False) -> list[Any]:
        """Return what is served by default."""
        if self.task in ("regression", "ranking"):
            return list(self.predict(matrix).tolist())
        if self.says_probabilities and (self.task == "binary" or as_probabilities):
            return list(self.probabilities(matrix).tolist())
        return self.labels(matrix)
