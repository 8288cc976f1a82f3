from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from crossfold.data.cells import number_text
from serve.encoding.encode import CSV, JSON, encode
from serve.outputs import Labels, Output


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("0", "1"), "[0,1]"),
        (("-1", "0.5", "1e+20", "1e-07"), "[-1,0.5,1e+20,1e-07]"),
        (("12345678901234567890", "2"), "[12345678901234567890,2]"),
        (("007", "1.0", "+3"), "[7,1,3]"),
        (("1", "x"), '["1","x"]'),
        (("1", "inf"), '["1","inf"]'),
        (("1", "9" * 400), f'["1","{"9" * 400}"]'),
        (("1", "٣"), '["1","٣"]'),
        (("1", "nan"), '["1","nan"]'),
        (("true", "false"), '["true","false"]'),
        (("null", ""), '["null",""]'),
    ],
)
def test_classes_are_json_numbers_only_where_all_are_finite_numbers(
    classes: tuple[str, ...], expected: str
) -> None:
    codes = np.arange(len(classes))[np.newaxis]

    text = encode(JSON, [Output("labels", codes, Labels.of(classes))]).decode()

    assert text == f'{{"predictions":[{{"labels":{expected}}}]}}'
    json.loads(text)


def test_numbers_are_spelt_as_training_spells_them() -> None:
    spelt = ("1", "0.50", "1e2", "-0", "9007199254740992.0")

    labels = Labels.of(spelt)

    assert [cell.decode() for cell in labels.csv] == [number_text(text) for text in spelt]
    assert labels.json == labels.csv


@pytest.mark.parametrize("label", ["", "a,b", 'say "x"', "a\nb", "a\rb", " a ", "é", "null", "#"])
def test_a_lone_label_in_csv_is_one_record_for_the_standard_library_too(label: str) -> None:
    outputs = [Output("score", np.array([0, 1, 0]), Labels.of([label, "b"]))]

    text = encode(CSV, outputs).decode()

    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [[label], ["b"], [label]]
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow([label])
    assert Labels.of([label]).csv[0].decode() == written.getvalue().removesuffix("\r\n")


def test_half_a_surrogate_pair_is_no_label() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        Labels.of(["a", "\ud800"])
