"""Models that the real `train` wrote, behind the server, and rows to ask them about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.test import Client, TestResponse

from serve.app import build
from serve.settings import Settings
from tests.in_process import Files, run_here, write_job
from tests.served_formats import JSON, READERS, Body, Rows, csv_text, read_json

BINARY = ("no, thanks", "yes")
POSITIVE = "no, thanks"
SEVERAL = ("blue", "grün", 'red "dark"')
COLOURS = ("dun", "grün", "red, dark", "sky", "teal")
"""The last is so rare that a fold may lack it."""
NAMES = ("height", "colour", 'pressure, "bar"', "zone", "ratio", "größe")
N_TRAIN = 240
N_SERVED = 600
"""As CSV these are more than 32 KiB, from where another reader takes over."""


@dataclass(slots=True)
class ServedModel:
    """A trained model behind the server's own WSGI callable."""

    root: Path
    log: str
    clients: dict[tuple[tuple[str, str], ...], Client] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "model"

    def ask(self, body: bytes, content_type: str, accept: str, **environ: str) -> TestResponse:
        """Send an invocation."""
        key = tuple(sorted(environ.items()))
        if key not in self.clients:
            settings = Settings.from_environ({"SAGEMAKER_BASE_DIR": str(self.root), **environ})
            self.clients[key] = Client(build(settings))
        return self.clients[key].post(
            "/invocations", data=body, content_type=content_type, headers={"Accept": accept}
        )

    def answer(self, body: bytes, content_type: str, accept: str, **environ: str) -> bytes:
        """Send an invocation that must succeed; return the body."""
        response = self.ask(body, content_type, accept, **environ)
        assert response.status_code == 200, response.text[:500]
        assert response.mimetype == accept
        return bytes(response.data)


def train(root: Path, own: Mapping[str, object], channels: Mapping[str, Files]) -> ServedModel:
    """Train in this process."""
    ended = run_here(write_job(root, own, channels))
    assert ended.error is None, f"{ended.failure}\n{ended.log}"
    return ServedModel(root, ended.log)


def answers(model: ServedModel, body: Body, expected: list[Any]) -> list[list[Any]]:
    """Return what the model says in each format that it answers in."""
    content_type, content = body
    # A CSV cell does not tell whether it is a number.
    number = str if isinstance(expected[0], str) else float
    return [
        read(model.answer(content, content_type, accept), number)
        for accept, read in READERS.items()
    ]


def in_json(model: ServedModel, body: Body) -> list[Any]:
    """Return what the model says in JSON."""
    content_type, content = body
    return [item["score"] for item in read_json(model.answer(content, content_type, JSON))]


def assert_near(found: Any, expected: Any) -> None:
    """Check texts for equality, and numbers within 1e-6."""
    if np.asarray(expected).dtype.kind in "US":
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def mixed_rows(n_rows: int, seed: int) -> Rows:
    """Draw rows with numbers of very different scale, texts, and missing cells in each column."""
    random = np.random.default_rng(seed)
    drawn: list[list[Any]] = [
        random.normal(size=n_rows).tolist(),
        random.choice(COLOURS[:-1], n_rows).tolist(),
        (3000 + 1000 * random.normal(size=n_rows)).tolist(),
        random.choice([1, 2, 10], n_rows).tolist(),
        (1e-6 * random.normal(size=n_rows)).tolist(),
        random.integers(0, 100, n_rows).tolist(),
    ]
    for column in drawn:
        for row in np.flatnonzero(random.random(n_rows) < 0.08).tolist():
            column[row] = None
    return Rows(NAMES, [list(row) for row in zip(*drawn, strict=True)])


def served_rows() -> Rows:
    """Rows that no model has seen: the first has unseen categories, the fourth nothing at all."""
    rows = mixed_rows(N_SERVED, seed=23)
    cells = [list(row) for row in rows.cells]
    cells[0] = [0.3, "mauve", 3100.25, 77, -1.25e-06, 41]
    cells[1] = [None, "sky", 1234.5, 10, None, None]
    cells[3] = [None] * len(NAMES)
    for row in range(5, N_SERVED, 17):
        cells[row][1] = "mauve"
    for row in range(6, N_SERVED, 29):
        cells[row][1] = "teal"
    return Rows(NAMES, cells)


_ZONES = {"1": 0.0, "2": 1.5, "10": -1.0}


def signal_of(rows: Rows) -> NDArray[np.float64]:
    """Return what labels are made of; every column has its say."""
    random = np.random.default_rng(4)
    height, pressure, ratio, size = (
        np.array([0 if cell is None else cell for cell in rows.column(NAMES[i])], dtype=float)
        for i in (0, 2, 4, 5)
    )
    colour = np.array(
        [COLOURS.index(str(c)) if c in COLOURS else 1.5 for c in rows.column("colour")]
    )
    zone = np.array([_ZONES.get(str(cell), 0.0) for cell in rows.column("zone")])
    noise = 0.3 * random.normal(size=len(rows))
    signal = height + pressure / 1000 + 5e5 * ratio + size / 50 + 0.7 * colour + zone + noise
    return np.asarray(signal, dtype=np.float64)


def labels_of(task: str, signal: NDArray[np.float64]) -> list[Any]:
    """Cut a signal into classes or grades, or scale it to positive values."""
    if task == "regression":
        return [float(value) for value in 100 + 10 * signal]
    classes = {"binary": BINARY, "multiclass": SEVERAL, "ranking": (0, 1, 2, 3)}[task]
    cuts = np.quantile(signal, np.linspace(0, 1, len(classes) + 1)[1:-1])
    return [classes[code] for code in np.digitize(signal, cuts)]


def labelled_csv(task: str, rows: Rows) -> str:
    """Write rows to learn from: ``outcome`` stands in the middle, ``query`` groups them."""
    labels = labels_of(task, signal_of(rows))
    names = ("query", *NAMES[:2], "outcome", *NAMES[2:])
    cells = [
        [f"q{number // 12:02d}", *row[:2], label, *row[2:]]
        for number, (row, label) in enumerate(zip(rows.cells, labels, strict=True))
    ]
    return csv_text(Rows(names, cells), header=True)


def training_rows() -> Rows:
    """Draw the rows to fit on; the rarest colour is in one of them."""
    rows = mixed_rows(N_TRAIN, seed=5)
    cells = [list(row) for row in rows.cells]
    cells[7][1] = COLOURS[-1]
    return Rows(NAMES, cells)


_BOOSTED = {"num_round": "7", "max_depth": "4", "learning_rate": "0.4"}
_FAMILIES: Mapping[str, Mapping[str, str]] = {
    "xgboost": _BOOSTED,
    "lightgbm": {**_BOOSTED, "min_data_in_leaf": "4"},
    "random_forest": {"n_estimators": "7"},
    "hist_gradient_boosting": {"max_iter": "6"},
    "svm": {"standardize": "true"},
    "knn": {"standardize": "true", "weights": "distance"},
}
_SCALED = {"standardize": "true"}
_OTHERS: Mapping[str, tuple[str, dict[str, str]]] = {
    "extra_trees": ("binary", {"algorithm": "extra_trees", "n_estimators": "7"}),
    "decision_tree": ("multiclass", {"algorithm": "decision_tree", "max_depth": "4"}),
    "naive_bayes": ("multiclass", {"algorithm": "naive_bayes"}),
    "mlp": (
        "binary",
        {"algorithm": "mlp", "hidden_layer_sizes": "4", "solver": "lbfgs", **_SCALED},
    ),
    "lasso": ("regression", {"algorithm": "lasso", "alpha": "0.01", **_SCALED}),
    "elastic_net": ("regression", {"algorithm": "elastic_net", "alpha": "0.01", **_SCALED}),
    "linear_regression": ("regression", {"algorithm": "linear_regression"}),
    "by_path": ("multiclass", {"algorithm": "sklearn.linear_model.RidgeClassifier", **_SCALED}),
}
_OBJECTIVES = {
    "softprob": ("multiclass", "multi:softprob"),
    "softmax": ("multiclass", "multi:softmax"),
    "hinge": ("binary", "binary:hinge"),
    "logitraw": ("binary", "binary:logitraw"),
    "poisson": ("regression", "count:poisson"),
    "ranking": ("ranking", "rank:ndcg"),
}


def _cases() -> dict[str, tuple[str, dict[str, str]]]:
    cases = {}
    for task in ("binary", "multiclass", "regression"):
        families = {name: {"algorithm": name, **own} for name, own in _FAMILIES.items()}
        linear = "ridge" if task == "regression" else "logistic_regression"
        families["linear"] = {"algorithm": linear, "standardize": "true"}
        for name, own in families.items():
            cases[f"{name}-{task}"] = (task, {**own, "task": task})
    for name, (task, own) in _OTHERS.items():
        cases[name] = (task, {**own, "task": task})
    for name, (task, objective) in _OBJECTIVES.items():
        own = {"algorithm": "xgboost", **_BOOSTED, "objective": objective}
        cases[f"xgboost-{name}"] = (task, own)
    return cases


CASES = _cases()
"""Name → task and hyperparameters, for the rows above."""

OTHERS = (
    *_OTHERS,
    *(f"random_forest-{task}" for task in ("multiclass", "regression")),
    *(f"hist_gradient_boosting-{task}" for task in ("binary", "regression")),
    *(f"svm-{task}" for task in ("binary", "regression")),
    *(f"knn-{task}" for task in ("multiclass", "regression")),
)
"""Cases that differ from the rest only in their estimator: a few formats will do."""


class ServedModels:
    """Trains each case when it is first asked for."""

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self._new_folder = new_folder
        self._models: dict[str, ServedModel] = {}

    def of(self, case: str, **more: str) -> ServedModel:
        """Return the model of a case, with more hyperparameters or others."""
        key = " ".join([case, *(f"{name}={value}" for name, value in more.items())])
        if key not in self._models:
            task, own = CASES[case]
            own = {"label": "outcome", "categorical_columns": "zone", **own, **more}
            own |= {"positive_label": POSITIVE} if task == "binary" else {}
            role = "group_column" if task == "ranking" else "drop_columns"
            files = {"train": {"a.csv": labelled_csv(task, training_rows())}}
            self._models[key] = train(self._new_folder("opt_ml"), {**own, role: "query"}, files)
        return self._models[key]
