from __future__ import annotations

from email.message import Message

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serve.encoding.encode import MEDIA_TYPES
from serve.encoding.media_types import negotiate, parse_media_type
from serve.refusals import Refusal

CSV, JSON, LINES, NPY = "text/csv", "application/json", "application/jsonlines", "application/x-npy"

QUICK = settings(max_examples=50, deadline=None)

ranges = st.sampled_from((*MEDIA_TYPES, "*/*", "text/*", "application/*", "image/png", "image/*"))
qualities = st.integers(0, 1000).map(lambda n: n / 1000)
accepted = st.dictionaries(ranges, qualities, min_size=1, max_size=6)


@pytest.mark.parametrize("accept", [None, "", " ", "*/*", "*", "*/*;q=0.5", "*/*, image/png"])
def test_whoever_takes_anything_is_given_the_default(accept: str | None) -> None:
    assert negotiate(accept, JSON, (CSV, JSON, NPY)) == JSON


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", JSON),
        ("Application/JSON", JSON),
        (" application/json ; charset=utf-8", JSON),
        ('application/json;profile="a;b,c"', JSON),
        ("text/csv;q=0.2, application/json;q=0.3", JSON),
        ("text/csv;q=0.2, application/json", JSON),
        ("application/json, text/csv", JSON),
        ("text/csv, application/json", CSV),
        ("*/*, application/json", JSON),
        ("application/*", JSON),
        ("application/json;q=0, */*", CSV),
        ("text/csv;q=0, */*", JSON),
        ("text/*;q=0, application/json;q=0.001, image/png", JSON),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson;q=0.9, text/html", "application/x-ndjson"),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", CSV),
        ("text/csv;q=wrong, application/json;q=0.1", JSON),
        ("text/csv;q=1.5, application/json;q=0.1", JSON),
        (",,text/csv;;;,", CSV),
        ('text/csv;q=.5, application/json;q="0.6"', JSON),
    ],
)
def test_the_greatest_quality_wins_then_the_exact_type_then_the_order(
    accept: str, expected: str
) -> None:
    assert negotiate(accept, CSV, MEDIA_TYPES) == expected


@pytest.mark.parametrize(
    "accept",
    ["text/html", "text/csv;q=0", "*/*;q=0", "csv", "/", ";", ",", "text/csv;q=nan", '"', "\xff",
     "text/csv;q=0, application/*;q=0.0", "application/x-npy"],
)  # fmt: skip
def test_what_cannot_be_had_is_a_406_that_names_what_can(accept: str) -> None:
    with pytest.raises(Refusal) as caught:
        negotiate(accept, CSV, (CSV, JSON))

    assert caught.value.status == 406
    assert "text/csv, application/json" in caught.value.message


def test_a_long_header_is_cut_in_the_message() -> None:
    with pytest.raises(Refusal) as caught:
        negotiate("image/png;" + "a" * 8000, CSV, (CSV, JSON))

    assert len(caught.value.message) < 300


def test_a_default_that_this_model_cannot_give_leaves_the_first_that_it_can() -> None:
    assert negotiate(None, NPY, (CSV, JSON)) == CSV
    assert negotiate(None, "Text/CSV; charset=utf-8", (JSON, CSV)) == CSV


@QUICK
@given(accepted, st.sampled_from(MEDIA_TYPES))
def test_the_choice_is_the_best_by_the_rules_of_http(asked: dict[str, float], default: str) -> None:
    def quality(media_type: str) -> float:
        family = media_type.split("/", maxsplit=1)[0] + "/*"
        return next((asked[r] for r in (media_type, family, "*/*") if r in asked), 0.0)

    header = ", ".join(f"{name};q={value:.3f}" for name, value in asked.items())
    best = max(quality(media_type) for media_type in MEDIA_TYPES)
    try:
        chosen = negotiate(header, default, MEDIA_TYPES)
    except Refusal as refusal:
        assert refusal.status == 406
        assert best == 0
    else:
        assert quality(chosen) == best > 0
        if asked.keys() <= {"*/*", "image/*"}:
            assert chosen == default


SNIPPETS = (CSV, "*/*", ";q=", "0", "1", ".", '"', ",", "\\", " ")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(st.characters(max_codepoint=255)),
        st.text(st.sampled_from('*/;,="\\ q01.tcsv-\t')),
        st.lists(st.sampled_from(SNIPPETS), max_size=12).map("".join),
    )
)
@example('text/csv;a="' + "\\" * 4000)
@example('"' * 8000)
@example("q=0" * 2000)
def test_no_header_is_answered_with_anything_but_a_type_or_a_406(header: str) -> None:
    media_type, parameters = parse_media_type(header)
    assert isinstance(media_type, str)
    assert all(isinstance(value, str) for value in parameters.values())
    try:
        assert negotiate(header, CSV, (CSV, JSON)) in {CSV, JSON}
    except Refusal as refusal:
        assert refusal.status == 406


tokens = st.text(st.sampled_from("abcxyz019-+."), min_size=1, max_size=8)


@QUICK
@given(
    st.tuples(tokens, tokens).map("/".join),
    st.dictionaries(
        tokens, st.text(st.characters(min_codepoint=32, max_codepoint=126)), max_size=4
    ),
)
def test_parameters_are_read_as_the_standard_library_reads_them(
    media_type: str, parameters: dict[str, str]
) -> None:
    written = [f'{name}="{_escaped(value)}"' for name, value in parameters.items()]
    header = "; ".join([media_type, *written])
    message = Message()
    message["Content-Type"] = header

    assert parse_media_type(header) == (media_type, parameters)
    assert message.get_content_type() == media_type


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
