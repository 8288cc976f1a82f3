from __future__ import annotations

import threading
import warnings

import pytest

from crossfold.algorithms.library_failures import (
    reason_of,
    recorded_warnings,
    told_as_algorithm_error,
)
from crossfold.errors import AlgorithmError, PlatformError


def test_each_thread_records_its_own_warnings() -> None:
    both_inside = threading.Barrier(2, timeout=60)
    heard: dict[str, list[str]] = {}

    def fit(name: str) -> None:
        with recorded_warnings() as texts:
            both_inside.wait()
            warnings.warn(f"from {name}", UserWarning, stacklevel=1)
            warnings.warn(f"from {name}", UserWarning, stacklevel=1)
            both_inside.wait()
        heard[name] = texts

    threads = [threading.Thread(target=fit, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert heard == {"a": ["from a"], "b": ["from b"]}


def test_a_fit_that_outlasts_another_still_records_and_then_restores() -> None:
    first_is_inside, second_is_inside, first_is_over = (threading.Event() for _ in range(3))
    heard: dict[str, list[str]] = {}
    before = (warnings.filters, warnings.showwarning)

    def first() -> None:
        with recorded_warnings() as heard["first"]:
            first_is_inside.set()
            second_is_inside.wait(60)
        first_is_over.set()

    def second() -> None:
        first_is_inside.wait(60)
        with recorded_warnings() as heard["second"]:
            second_is_inside.set()
            first_is_over.wait(60)
            warnings.warn("late", UserWarning, stacklevel=1)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert heard == {"first": [], "second": ["late"]}
    assert (warnings.filters, warnings.showwarning) == before


def test_warnings_of_a_library_worker_reach_the_fit() -> None:
    with recorded_warnings() as texts:
        worker = threading.Thread(target=lambda: warnings.warn("slow", UserWarning, stacklevel=1))
        worker.start()
        worker.join()

    assert texts == ["slow"]


def test_filters_are_as_before_after_the_last_fit() -> None:
    with recorded_warnings():
        pass

    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", UserWarning, stacklevel=1)


def test_reason_is_the_first_line_without_the_source_path() -> None:
    where = "[05:16:01] /build/src/tree/param.h:230"
    error = ValueError(f"{where}: value -7 is out of range\nStack trace:")

    assert reason_of(error) == "value -7 is out of range"
    assert reason_of(ValueError("\n\nCheck failed: a == b")) == "Check failed: a == b"
    assert reason_of(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            "Check failed: (label) > (0) at /build/src/metric/regression_metric.hpp, line 275 .\n",
            "Check failed: (label) > (0)",
        ),
        (
            "Check failed: (static_cast<int>(data_->n())) == (config->m.size()) at /b.cpp, line 6.",
            "Check failed: ((n())) == (m.size())",
        ),
        (
            "[05:42:10] /build/src/obj.cu:114: Check failed: is_valid: base_score must be in (0,1)",
            "base_score must be in (0,1)",
        ),
        (
            "[05:42:10] /build/hist/../eval.h:48: Check failed: p.size() <= n (3 vs. 2) : too many",
            "too many",
        ),
        ("column at a.csv, line 3: bad", "column at a.csv, line 3: bad"),
    ],
)
def test_source_code_is_left_out_of_the_reason(told: str, reason: str) -> None:
    assert reason_of(ValueError(told)) == reason


def test_lack_of_memory_is_the_platforms() -> None:
    with (
        pytest.raises(PlatformError, match="more memory"),
        told_as_algorithm_error("xgboost", "fit", ValueError),
    ):
        raise ValueError("std::bad_alloc")


def test_other_failures_are_the_algorithms() -> None:
    with (
        pytest.raises(AlgorithmError, match="^xgboost failed to fit: no$"),
        told_as_algorithm_error("xgboost", "fit", ValueError),
    ):
        raise ValueError("no")
