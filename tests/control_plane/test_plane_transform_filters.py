"""Input filters, output filters and joins."""

from __future__ import annotations

import contextlib
import csv
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_test.control_plane.transform.association import Association
from local_test.control_plane.transform.failure import FileFault
from local_test.control_plane.transform.json_path import JsonPath, NotSelected
from local_test.control_plane.transform.rows import Format, format_of, read_rows, write_rows

PATIENT = {
    "id": 7,
    "features": [0.5, 1.5, 2.5, 3.5],
    "site": {"name": "Żory", "beds": [3, 4], "open": {"from": 8}},
}

NAMES = st.text(st.sampled_from("abcé-_7 "), min_size=1, max_size=3)
VALUES = st.recursive(
    st.none() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def association(
    given: Format,
    *,
    answered: Format | None = None,
    input_filter: str = "$",
    output_filter: str = "$",
    is_joined: bool = False,
) -> Association:
    return Association(
        given,
        answered or given,
        JsonPath.parse(input_filter),
        JsonPath.parse(output_filter),
        is_joined=is_joined,
    )


def sent(job: Association, record: bytes) -> bytes:
    return job.payload(record, job.read(record))


def kept(job: Association, record: bytes, answer: bytes) -> bytes:
    return job.output(job.read(record), answer)


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", PATIENT),
        ("$.id", 7),
        ("$['id']", 7),
        ("$.features", [0.5, 1.5, 2.5, 3.5]),
        ("$.features[0]", 0.5),
        ("$.features[-1]", 3.5),
        ("$.features[1,3]", [1.5, 3.5]),
        ("$.features[ 0 , -1 ]", [0.5, 3.5]),
        ("$.features[1:3]", [1.5, 2.5]),
        ("$.features[:2]", [0.5, 1.5]),
        ("$.features[2:]", [2.5, 3.5]),
        ("$.features[:-1]", [0.5, 1.5, 2.5]),
        ("$.features[0,2:]", [0.5, 2.5, 3.5]),
        ("$.features[*]", [0.5, 1.5, 2.5, 3.5]),
        ("$.site.*", ["Żory", [3, 4], {"from": 8}]),
        ("$['id','features']", {"id": 7, "features": [0.5, 1.5, 2.5, 3.5]}),
        ("$.site['name','open']", {"name": "Żory", "open": {"from": 8}}),
        ("$.site.['name', 'beds']", {"name": "Żory", "beds": [3, 4]}),
        ("$.site.open.from", 8),
    ],
)
def test_a_path_selects_as_the_documentation_says(path: str, selected: object) -> None:
    assert JsonPath.parse(path).select(PATIENT) == selected


@pytest.mark.parametrize(
    "path",
    [
        "id",
        "",
        "@.id",
        "$.",
        "$..id",
        "$.id.",
        "$[",
        "$[]",
        "$['id]",
        "$[id]",
        "$[0",
        "$[?(@.id > 3)]",
        "$[(@.length-1)]",
        "$[0:4:2]",
        "$[-]",
        "$[-:2]",
        "$[0,]",
        "$['a',0]",
        "$.a b",
        "$['a','b'].c",
        "$['a','b'][0]",
        "$.a,b",
        "$ ",
    ],
)
def test_what_is_not_of_the_documented_part_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        JsonPath.parse(path)


@pytest.mark.parametrize(
    "path",
    ["$.name", "$['id','name']", "$.id.x", "$.id[0]", "$.features[4]", "$.features[0,-5]",
     "$.features[4:]", "$.features.a", "$.id.*", "$[0]"],
)  # fmt: skip
def test_what_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(NotSelected, match="is not in the record"):
        JsonPath.parse(path).select(PATIENT)


@st.composite
def paths(draw: st.DrawFn, value: Any) -> tuple[str, Any]:
    """Walk down a value at random; return the path that was gone and where it led."""
    path = "$"
    for _ in range(draw(st.integers(0, 4))):
        if isinstance(value, dict) and value:
            name = draw(st.sampled_from(sorted(value)))
            plain = f".{name}" if " " not in name else f"['{name}']"
            path += draw(st.sampled_from([plain, f"['{name}']", f".['{name}']", f"[ '{name}' ]"]))
            value = value[name]
        elif isinstance(value, list) and value:
            at = draw(st.integers(-len(value), len(value) - 1))
            path += f"[{at}]"
            value = value[at]
    if isinstance(value, list) and value and draw(st.booleans()):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(value))] * 2)))
        if start < end:
            path += f"[{start or ''}:{end if end < len(value) else ''}]"
            value = [each for at, each in enumerate(value) if start <= at < end]
    return path, value


@given(st.data())
def test_a_path_leads_where_its_steps_lead(data: st.DataObject) -> None:
    value = data.draw(VALUES)
    path, expected = data.draw(paths(value))

    assert JsonPath.parse(path).select(value) == expected


@given(st.text(st.sampled_from("$.[]'*,:-01ab @?()"), max_size=12))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        path = JsonPath.parse(f"${text}")
    except ValueError:
        return
    with contextlib.suppress(NotSelected):
        path.select(PATIENT)


def test_a_wildcard_goes_on_in_every_child() -> None:
    beds = [{"n": 1, "k": [5, 6]}, {"n": 2, "k": [7, 8]}]

    assert JsonPath.parse("$[*].n").select(beds) == [1, 2]
    assert JsonPath.parse("$[*].k[-1]").select(beds) == [6, 8]
    assert JsonPath.parse("$[0:2]['n']").select(beds) == [1, 2]
    assert JsonPath.parse("$[*].k[*]").select(beds) == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("media_type", "form"),
    [
        ("text/csv", "csv"),
        ("text/csv; charset=utf-8", "csv"),
        ("TEXT/CSV", "csv"),
        ("application/json", "json"),
        ("application/jsonlines", "jsonlines"),
        ("application/x-recordio-protobuf", None),
        (None, None),
    ],
)
def test_a_media_type_has_a_format_or_none(media_type: str | None, form: Format | None) -> None:
    assert format_of(media_type) == form


@given(st.lists(st.lists(st.text(max_size=5), min_size=1)))
def test_csv_is_read_back_as_it_was_written(rows: list[list[str]]) -> None:
    body = write_rows("csv", rows)

    assert read_rows("csv", body) == rows
    if all("\n" not in field and "\r" not in field for row in rows for field in row):
        assert list(csv.reader(body.decode().split("\n"))) == (rows or [[]])


@given(st.lists(VALUES))
def test_json_lines_are_read_back_as_they_were_written(rows: list[Any]) -> None:
    assert read_rows("jsonlines", write_rows("jsonlines", rows)) == rows


def test_the_documentation_s_csv_examples() -> None:
    # 'Associate Prediction Results with Input Records': an ID in the first column.
    record, answer = b"1,35,0.5\n", b"0.25,yes"

    without_id = association("csv", input_filter="$[1:]", is_joined=True)
    only_id = association("csv", input_filter="$[1:]", output_filter="$[0,-1]", is_joined=True)

    assert sent(without_id, record) == b"35,0.5\n"
    assert kept(without_id, record, answer) == b"1,35,0.5,0.25,yes"
    assert kept(only_id, record, answer) == b"1,yes"


def test_the_documentation_s_json_examples() -> None:
    record = b'{"id":1,"features":[0.5,2]}\n'
    answer = b'{"score":3}\n'

    job = association(
        "jsonlines",
        input_filter="$.features",
        output_filter="$['id','SageMakerOutput']",
        is_joined=True,
    )

    assert sent(job, record) == b"[0.5,2]\n"
    assert kept(job, record, answer) == b'{"id":1,"SageMakerOutput":{"score":3}}'


def test_a_json_input_that_is_no_object_goes_below_a_name_of_its_own() -> None:
    job = association("json", is_joined=True)

    assert json.loads(kept(job, b"[1,2]", b"0.5")) == {
        "SageMakerInput": [1, 2],
        "SageMakerOutput": 0.5,
    }


def test_an_input_may_not_have_the_attribute_of_the_answers() -> None:
    with pytest.raises(FileFault, match="SageMakerOutput"):
        kept(association("json", is_joined=True), b'{"SageMakerOutput":1}', b"2")


def test_half_a_character_is_written_as_it_was_read() -> None:
    job = association("jsonlines", is_joined=True)

    assert kept(job, b'{"a":"\\ud800 \xc3\xa9"}', b"2") == (
        b'{"a":"\\ud800 \xc3\xa9","SageMakerOutput":2}'
    )


def test_quoted_fields_stay_one_column() -> None:
    job = association("csv", input_filter="$[0,2]", is_joined=True)

    assert sent(job, b'"a, ""b""",x,"c"\r\n') == b'"a, ""b""",c\n'
    assert kept(job, b'"a, b",x,1\n', b'"no, ""never"""') == b'"a, b",x,1,"no, ""never"""'


def test_only_what_a_filter_asks_for_is_looked_into() -> None:
    output_only = association("csv", answered="json", output_filter="$.score")

    assert sent(association("csv", is_joined=True), b'1,"2"\r\n') == b'1,"2"\r\n'
    assert output_only.reads_input is False
    assert output_only.output([], b'{"score":0.5,"more":1}') == b"0.5"


@pytest.mark.parametrize(
    ("job", "record", "answer", "said", "blame"),
    [
        (association("csv", is_joined=True), b"1\n", b"2\n3\n", "1 records were sent and 2", "Alg"),
        (association("csv", is_joined=True), b'"1', b"2", "parse input as CSV", "Client"),
        (association("json", is_joined=True), b"{", b"2", "parse input as JSON", "Client"),
        (association("json", is_joined=True), b"1", b"2,3", "output .* as JSON", "Alg"),
        (association("csv", is_joined=True), b"1", b"\xff", "output .* as CSV", "Alg"),
        (association("csv", output_filter="$[3]"), b"1", b"2,3", r"OutputFilter: \$", "Client"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_processed_says_why(
    job: Association, record: bytes, answer: bytes, said: str, blame: str
) -> None:
    with pytest.raises(FileFault, match=said) as caught:
        kept(job, record, answer)

    assert caught.value.blame.startswith(blame)


def test_an_input_filter_that_does_not_fit_says_so() -> None:
    with pytest.raises(FileFault, match=r"InputFilter: \$\[5\] is not in the record"):
        sent(association("csv", input_filter="$[5]"), b"1,2\n")


def test_a_field_may_be_as_long_as_a_payload() -> None:
    record = b"1," + b"x" * 200_000 + b"\n"

    assert sent(association("csv", input_filter="$[1]"), record) == record[2:]
