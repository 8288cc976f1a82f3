from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_test.control_plane.training.lines import LIMIT_BYTES, LineSplitter
from local_test.control_plane.training.metrics import SEARCHED_CHARACTERS, MetricScanner

# AWS's XGBoost image writes a number so (sagemaker-xgboost-container).
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def values(regex: str, *lines: str) -> list[float]:
    """Return the values that a definition sees in lines."""
    scanner = MetricScanner([{"Name": "m", "Regex": regex}])
    scanned = scanner.feed("algo-1", "".join(f"{line}\n" for line in lines).encode(), at=7.0)
    return [emission.value for emission in scanned.emissions]


def split(*chunks: bytes, limit_bytes: int = LIMIT_BYTES) -> list[str]:
    """Return the lines of a stream that arrived in these chunks."""
    splitter = LineSplitter(limit_bytes=limit_bytes)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


# ---------------------------------------------------------------------------------------- lines


def test_a_partial_line_waits_for_its_end_and_is_flushed_at_the_end() -> None:
    splitter = LineSplitter()

    assert splitter.feed(b"auc=0.") == []
    assert splitter.feed(b"75;\nloss=") == ["auc=0.75;"]
    assert splitter.flush() == ["loss="]
    assert splitter.flush() == []


def test_line_ends_of_both_kinds_and_empty_lines() -> None:
    assert split(b"a\r\n\n\r\nb\n") == ["a", "", "", "b"]


def test_control_characters_are_shown_in_octal_as_cloudwatch_does() -> None:
    assert split(b"[0]\ttrain-mae:1\n") == ["[0]#011train-mae:1"]
    assert split(b"\x1b[34mblue\x00\x7f\n") == ["#033[34mblue#000#177"]
    # A progress bar rewrites its line: it is one line, as it has one line feed.
    assert split(b" 10%\r 20%\n") == [" 10%#015 20%"]


def test_text_that_is_not_utf_8_is_replaced_and_other_text_is_kept() -> None:
    assert split("größe=1 ☃ 😀\n".encode(), b"a\xffb\n") == ["größe=1 ☃ 😀", "a\ufffdb"]


def test_a_line_over_256_kb_is_cut_between_characters() -> None:
    long = b"x" * (LIMIT_BYTES - 1) + "é".encode() + b"y" * 10 + b"\n"

    lines = split(long)

    assert lines == ["x" * (LIMIT_BYTES - 1), "é" + "y" * 10]
    assert split(b"x" * LIMIT_BYTES + b"\n") == ["x" * LIMIT_BYTES]


def test_a_carriage_return_where_a_line_is_cut_belongs_to_the_line() -> None:
    whole, pieces = b"aaa\rbbb\r\n", [b"aaa\r", b"b", b"bb\r", b"\n"]

    assert split(whole, limit_bytes=4) == ["aaa#015", "bbb"]
    assert split(*pieces, limit_bytes=4) == ["aaa#015", "bbb"]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    splitter = LineSplitter(limit_bytes=100)

    pieces = [line for _ in range(1000) for line in splitter.feed(b"z" * 10)]

    assert set(map(len, pieces)) == {100}
    assert len(splitter.flush()[0]) <= 100


_TEXT = st.text(alphabet=["a", "é", "☃", "😀", "\t", "\r", "\n", "\x1b"], max_size=60)
_BYTES = st.one_of(st.binary(max_size=120), _TEXT.map(str.encode))


@settings(max_examples=300)
@given(data=_BYTES, cuts=st.lists(st.integers(0, 120), max_size=8), limit=st.integers(4, 40))
def test_any_chunking_gives_the_same_lines(data: bytes, cuts: list[int], limit: int) -> None:
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise(borders)]

    assert split(*chunks, limit_bytes=limit) == split(data, limit_bytes=limit)
    assert split(*(data[at : at + 1] for at in range(len(data))), limit_bytes=limit) == split(
        data, limit_bytes=limit
    )


@given(data=_BYTES)
def test_short_lines_are_the_streams_own_lines(data: bytes) -> None:
    """An independent splitter: the bytes between line feeds, less one carriage return each."""
    *ended, last = data.split(b"\n")
    expected = [re.sub(rb"\r\Z", b"", each) for each in (*ended, *([last] if last else []))]

    shown = split(data)

    assert len(shown) == len(expected)
    assert not any(re.search(r"[\x00-\x1f\x7f]", line) for line in shown)
    plain = [each.decode(errors="replace") for each in expected]
    assert all(a == b for a, b in zip(shown, plain, strict=True) if b.isprintable())


# -------------------------------------------------------------------------------------- metrics


def test_the_group_gives_the_number() -> None:
    assert values(rf"auc={NUMBER};", "auc=0.75;", "auc=-1e-3;", "auc=x;", "AUC=1;") == [
        0.75,
        -0.001,
    ]


def test_a_printed_tab_matches_as_its_number_and_not_as_a_tab() -> None:
    line = "[3]\ttrain-mae:0.5\tvalidation-mae:0.75"

    assert values(rf"#011validation-mae:{NUMBER}", line) == [0.75]
    assert values(rf"\tvalidation-mae:{NUMBER}", line) == []


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity", "", "1,5", "0x10"])
def test_what_is_no_finite_number_is_no_value(text: str) -> None:
    assert values("m=([^;]*);", f"m={text};", "m=2;") == [2.0]


def test_one_value_of_a_line_counts_and_several_groups_use_the_first() -> None:
    assert values(rf"m={NUMBER};", "m=1; m=2;") == [1.0]
    assert values(rf"m={NUMBER} of {NUMBER}", "m=3 of 4") == [3.0]
    assert values(rf"m=(?:a|{NUMBER})", "m=a") == []
    assert values(r"m=\d", "m=3") == []
    assert values(r"F1=(.*?)", "F1=0.5") == []


def test_several_definitions_see_the_same_line_in_their_order() -> None:
    scanner = MetricScanner(
        [{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "auc", "Regex": "auc=([0-9.]+)"}]
    )

    scanned = scanner.feed("algo-1", b"auc=0.5 loss=2.5\nauc=0.625\n", at=9.5)

    assert [(e.name, e.value, e.at) for e in scanned.emissions] == [
        ("loss", 2.5, 9.5),
        ("auc", 0.5, 9.5),
        ("auc", 0.625, 9.5),
    ]
    assert (scanned.host, scanned.lines) == ("algo-1", ("auc=0.5 loss=2.5", "auc=0.625"))


def test_the_halves_of_a_line_of_two_hosts_are_not_mixed() -> None:
    scanner = MetricScanner([{"Name": "m", "Regex": "m=([0-9]+)"}])

    scanner.feed("algo-1", b"m=1", at=1.0)
    scanner.feed("algo-2", b"m=2", at=2.0)
    first = scanner.feed("algo-1", b"5\n", at=3.0)
    rest = scanner.flush(at=4.0)

    assert [e.value for e in first.emissions] == [15.0]
    assert [(each.host, each.emissions[0].value, each.emissions[0].at) for each in rest] == [
        ("algo-2", 2.0, 4.0)
    ]


def test_only_the_beginning_of_a_very_long_line_is_searched() -> None:
    """An expression like this one takes quadratic time: over 256 KB it would stop the plane."""
    line = "m=1;" + "b" * (LIMIT_BYTES - 100) + "m=2;"

    assert values(".*m=([0-9]+);", line) == [1.0]
    assert values(".*m=([0-9]+);", "b" * SEARCHED_CHARACTERS + "m=2;") == []


def test_a_definition_that_is_no_expression_is_an_error() -> None:
    with pytest.raises(re.error):
        MetricScanner([{"Name": "m", "Regex": "(("}])
