"""Which outputs a model serves, and how they are had with as few runs of it as possible.

Knows the bundle; neither requests nor formats.  The keys are those of AWS's XGBoost image
(sagemaker-xgboost-container, `algorithm_mode/serve_utils.py`) and ``contributions``; what a model
cannot give stops the start instead of being NaN, and raw scores are margins for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import nearest_name, quoted
from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.prediction import Prediction
from crossfold.persistence.bundle import LoadedBundle
from serve.encoding.encode import writable, writable_by_line
from serve.outputs import DEFAULT_KEY, Labels, Output

_VARIABLE = "SAGEMAKER_INFERENCE_OUTPUT"
_BIAS = "bias"


class Selection:
    """The outputs of one model that answers are made of.

    Attributes
    ----------
    keys : tuple of str
        Empty for the default.
    accepts : tuple of str
        Media types that can hold the outputs.
    accepts_by_line : tuple of str
        Those in which each row is one line.
    """

    def __init__(self, model: _Model, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self._model = model
        self._makers = tuple([_MAKERS[key] for key in keys]) or (_score,)
        sample = self.outputs(model.sample)
        self.accepts = writable(sample)
        self.accepts_by_line = writable_by_line(sample)

    @classmethod
    def of(cls, bundle: LoadedBundle, keys: tuple[str, ...]) -> Selection:
        """Select outputs; without keys the default.

        Regression and ranking serve the value, two classes the probability of the positive one,
        several classes the label, or the probabilities when the objective is ``multi:softprob``;
        a classifier without probabilities serves the label.

        Parameters
        ----------
        bundle : LoadedBundle
            Asked about one row of zeros, to see what it can give.
        keys : tuple of str
            As the user wrote them; case and blanks around them do not count.

        Raises
        ------
        UserError
            A key is unknown or named twice, the model cannot give it, or a class or a feature has
            a name that UTF-8 cannot hold.
        """
        chosen = known_keys(keys)
        model = _model_of(bundle)
        _check_given(model, chosen)
        return cls(model, chosen)

    def outputs(self, features: NDArray[Any]) -> tuple[Output, ...]:
        """Run the models on rows of shape (n_rows, n_features), in the schema's dtype."""
        said = _Said(self._model, features)
        # None of them is None: each was asked for one row before anything was served.
        return tuple([output for make in self._makers if (output := make(said)) is not None])


def known_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Return keys as they are spelt here, in the order given.

    Raises
    ------
    UserError
        One is unknown, or named twice.
    """
    chosen = tuple(key.strip().lower() for key in keys)
    for key in chosen:
        if key not in _MAKERS:
            raise UserError(f"{_VARIABLE} names {quoted(key)}; {nearest_name(key, KEYS)}")
        if chosen.count(key) > 1:
            raise UserError(f"{_VARIABLE} names {key!r} twice; name each key once")
    return chosen


@dataclass(frozen=True, slots=True)
class _Model:
    """A bundle, and what of its manifest is needed for every request."""

    bundle: LoadedBundle
    labels: Labels
    contribution_names: tuple[str, ...]
    serves_probabilities: bool

    @property
    def sample(self) -> NDArray[Any]:
        manifest = self.bundle.manifest
        return np.zeros((1, len(manifest.columns)), dtype=manifest.dtype)


class _Said:
    """What the models say of the same rows; each of their methods runs once, when first needed."""

    __slots__ = ("_contributions", "_prediction", "_raw_scores", "features", "model")

    def __init__(self, model: _Model, features: NDArray[Any]) -> None:
        self.model = model
        self.features = features
        self._prediction: Prediction | None = None
        self._raw_scores: NDArray[np.float64] | None = None
        self._contributions: NDArray[np.float64] | None = None

    @property
    def prediction(self) -> Prediction:
        if self._prediction is None:
            self._prediction = self.model.bundle.predict(self.features)
        return self._prediction

    @property
    def raw_scores(self) -> NDArray[np.float64] | None:
        if self._prediction is not None and self._prediction.scores is not None:
            return self._prediction.scores
        if self._raw_scores is None:
            self._raw_scores = self.model.bundle.raw_scores(self.features)
        return self._raw_scores

    @property
    def contributions(self) -> NDArray[np.float64] | None:
        if self._contributions is None:
            self._contributions = self.model.bundle.contributions(self.features)
        return self._contributions


def _score(said: _Said) -> Output | None:
    model, prediction = said.model, said.prediction
    if prediction.values is not None:
        return Output(DEFAULT_KEY, prediction.values)
    probabilities = prediction.probabilities
    if probabilities is not None:
        if probabilities.shape[1] == 2:
            return Output(DEFAULT_KEY, probabilities[:, 1])
        if model.serves_probabilities:
            return Output(DEFAULT_KEY, probabilities)
    return _labelled(DEFAULT_KEY, prediction.labels, model)


def _predicted_label(said: _Said) -> Output | None:
    if not said.model.labels.texts:
        return None
    return _labelled("predicted_label", said.prediction.labels, said.model)


def _labels(said: _Said) -> Output | None:
    n_classes = len(said.model.labels.texts)
    codes = np.arange(n_classes, dtype=np.int64)
    every = np.broadcast_to(codes, (len(said.features), n_classes))
    return _labelled("labels", every if n_classes else None, said.model)


def _probability(said: _Said) -> Output | None:
    probabilities = said.prediction.probabilities
    if probabilities is None:
        return None
    is_binary = probabilities.shape[1] == 2
    return Output("probability", probabilities[:, 1] if is_binary else probabilities.max(axis=1))


def _probabilities(said: _Said) -> Output | None:
    probabilities = said.prediction.probabilities
    return None if probabilities is None else Output("probabilities", probabilities)


def _raw_score(said: _Said) -> Output | None:
    scores = said.raw_scores
    if scores is None:
        return None
    return Output("raw_score", scores if scores.ndim == 1 else scores.max(axis=1))


def _raw_scores(said: _Said) -> Output | None:
    scores = said.raw_scores
    if scores is None or not said.model.labels.texts:
        return None
    by_class = scores if scores.ndim == 2 else np.column_stack([-scores, scores])
    return Output("raw_scores", by_class)


def _predicted_score(said: _Said) -> Output | None:
    values = None if said.model.labels.texts else said.prediction.values
    return None if values is None else Output("predicted_score", values)


def _contributions(said: _Said) -> Output | None:
    values = said.contributions
    if values is None:
        return None
    return Output("contributions", values, names=said.model.contribution_names)


_MAKERS: Mapping[str, Callable[[_Said], Output | None]] = {
    "predicted_label": _predicted_label,
    "labels": _labels,
    "probability": _probability,
    "probabilities": _probabilities,
    "raw_score": _raw_score,
    "raw_scores": _raw_scores,
    "predicted_score": _predicted_score,
    "contributions": _contributions,
}
KEYS = tuple(_MAKERS)
"""Everything that ``SAGEMAKER_INFERENCE_OUTPUT`` may name."""


def _labelled(key: str, codes: NDArray[np.int64] | None, model: _Model) -> Output | None:
    return None if codes is None else Output(key, codes, labels=model.labels)


def _check_given(model: _Model, keys: Sequence[str]) -> None:
    said = _Said(model, model.sample)
    refused = next((key for key in keys if not _is_given(key, said)), None)
    if refused is not None:
        given = ", ".join(key for key in KEYS if _is_given(key, said))
        manifest = model.bundle.manifest
        message = (
            f"{_VARIABLE} names {refused!r}, which this model (algorithm {manifest.algorithm!r}, "
            f"task {manifest.task!r}) cannot give; it gives {given}"
        )
        raise UserError(message)


def _is_given(key: str, said: _Said) -> bool:
    said.prediction  # noqa: B018  a model that cannot even predict is no matter of keys
    try:
        return _MAKERS[key](said) is not None
    except AlgorithmError:
        return False


def _model_of(bundle: LoadedBundle) -> _Model:
    manifest = bundle.manifest
    names = tuple(column.name for column in manifest.columns)
    for text in (*manifest.classes, *names):
        # Half a surrogate pair: JSON can spell it in a manifest, no answer can.
        if not text.isascii() and _is_broken(text):
            message = f"the model's manifest has the name {quoted(text)}, which is no text in UTF-8"
            raise UserError(f"{message}; train again")
    bias = _BIAS
    while bias in names:
        bias = f"_{bias}"
    serves_probabilities = manifest.objective == "multi:softprob"
    return _Model(bundle, Labels.of(manifest.classes), (*names, bias), serves_probabilities)


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
