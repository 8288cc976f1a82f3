from __future__ import annotations

import numpy as np
import pytest

from crossfold.metrics.prediction import Prediction, concat


def _of_classes(n_rows: int) -> Prediction:
    positive = np.linspace(0.1, 0.9, n_rows)
    return Prediction(
        labels=(positive > 0.5).astype(np.int64),
        probabilities=np.column_stack([1 - positive, positive]),
    )


def test_take_keeps_order_and_absent_fields() -> None:
    prediction = _of_classes(4)

    taken = prediction.take(np.array([3, 0]))

    assert taken.labels is not None
    assert taken.labels.tolist() == [1, 0]
    assert taken.probabilities is not None
    assert taken.probabilities[:, 1].tolist() == pytest.approx([0.9, 0.1])
    assert taken.scores is None
    assert taken.values is None
    assert taken.n_rows == 2


def test_take_of_all_rows_in_pieces_concatenates_to_the_whole() -> None:
    whole = _of_classes(5)

    joined = concat([whole.take(np.array([0, 1])), whole.take(np.array([2, 3, 4]))])

    assert joined.probabilities is not None
    assert whole.probabilities is not None
    assert np.array_equal(joined.probabilities, whole.probabilities)
    assert joined.labels is not None
    assert joined.labels.dtype == np.int64


def test_a_prediction_says_something() -> None:
    with pytest.raises(ValueError, match="at least one of labels, probabilities"):
        Prediction()


def test_fields_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'labels': 2, 'scores': 3"):
        Prediction(labels=np.zeros(2, np.int64), scores=np.zeros(3))


@pytest.mark.parametrize("field", ["labels", "values"])
def test_columns_where_one_number_belongs_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field!r} has shape \(2, 1\)"):
        Prediction(**{field: np.zeros((2, 1))})  # type: ignore[arg-type]  # chosen by name


def test_one_probability_per_row_is_refused() -> None:
    with pytest.raises(ValueError, match="'probabilities' has shape"):
        Prediction(probabilities=np.array([0.2, 0.8]))


def test_predictions_of_different_kinds_do_not_join() -> None:
    with pytest.raises(ValueError, match="only 1 of 2 predictions have 'labels'"):
        concat([_of_classes(2), Prediction(values=np.zeros(2))])
