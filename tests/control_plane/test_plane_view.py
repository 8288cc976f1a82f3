from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from local_test.control_plane.view.events import events
from local_test.control_plane.view.progress import Folds, Seen
from local_test.control_plane.view.terminal import render
from tests.control_plane.shown_jobs import (
    FOLDED,
    T0,
    document,
    search,
    seen,
    training,
    trial,
    tuning,
)


def text(found: Seen, width: int = 80, height: int | None = None) -> list[str]:
    """Return the lines that a file of `width` columns would get: no colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(found, width=width, height=height))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def words(line: str) -> list[str]:
    return line.split()


def test_a_search_in_80_columns() -> None:
    assert text(seen(search())) == [
        "00:00:12 UTC, training jobs: 2 live, 2 ended",
        "",
        "search: InProgress, 0:12",
        "Bayesian, minimize validation:rmse, 6 trials, at most 2 at once",
        "████████··················  2 of 6 ended, 2 running",
        "* best so far: 57.1234 ± 1.64, search-001",
        "  eta 0.08347, max_depth 1",
        "",
        "  #  status           eta  max_depth  validation:rmse    folds  time",
        "─" * 68,
        "* 1  Completed    0.08347          1   57.1234 ± 1.64  ███ 3/3  0:07",
        "  2  Failed       0.08347          2                –  ··· 0/3  0:07",
        "  3  Training     0.08347          3   59.3839 so far  ██· 2/3  0:10",
        "  4  Downloading  0.08347          4                –  ··· 0/3     –",
        "",
        "trial 2 failed: AlgorithmError: eta is 1.5",
        "",
        "trial 3 │ fold 2 of 3: rmse 57.57 held out (133 rows, 44 rounds, 0.03 s)",
    ]


def test_wide_terminals_show_the_training_jobs_names() -> None:
    assert words(text(seen(search()), width=160)[10])[-1] == "search-001"
    assert words(text(seen(search()), width=160)[8])[-2:] == ["training", "job"]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("n_tuned", [1, 4, 12])
def test_no_line_is_wider_than_the_terminal(width: int, n_tuned: int) -> None:
    values = {f"hyperparameter_{number}": "0.123456789" for number in range(n_tuned)}
    trials = [trial(number, values=values) for number in range(1, 4)]
    found = seen(document(tuning_jobs=[tuning(trials)], training_jobs=[training("a" * 63)]))

    assert max(map(cell_len, text(found, width))) <= width
    assert "0.1235" in "\n".join(text(found, width))


def test_values_share_a_column_where_there_are_too_many() -> None:
    values = {f"parameter_{number}": str(number) for number in range(8)}
    found = seen(document(tuning_jobs=[tuning([trial(1, values=values)])]))

    head = next(line for line in text(found) if "status" in line)
    assert words(head) == ["#", "status", "values", "validation:rmse", "time"]


def test_a_plain_training_job_shows_its_metrics_and_time() -> None:
    job = training("churn", "Completed", metrics={"validation:auc": 0.91234567})

    assert words(text(seen(document(training_jobs=[job])))[-1]) == [
        "churn",
        "Completed",
        "validation:auc",
        "0.912346",
        "0:07",
    ]


def test_folds_that_are_jobs_stand_below_their_driver_in_order() -> None:
    names = ["churn", "churn-f10", "churn-f2", "other-f1"]
    jobs = [training(name, "Completed" if name == "churn-f2" else "InProgress") for name in names]
    lines = text(seen(document(training_jobs=jobs)))

    found = [words(line)[:3] for line in lines[4:]]
    assert found == [
        ["churn", "Training", "1/2"],
        ["└", "f2", "Completed"],
        ["└", "f10", "Training"],
        ["other-f1", "Training", "0:10"],
    ]


def test_folds_of_a_running_trial_stand_below_it() -> None:
    jobs = [training("search-001", tuning_job="search"), training("search-001-f0", "Completed")]
    found = seen(document(tuning_jobs=[tuning([trial(1)])], training_jobs=jobs))

    lines = text(found)
    assert words(lines[-1])[:3] == ["└", "f0", "Completed"]
    assert not any(line.startswith("training job") for line in lines)


def test_folds_are_counted_from_log_lines_that_came_one_after_the_other() -> None:
    lines = [
        "split: KFold(n_splits=4, shuffle=True, random_state=0), 4 fits",
        "fold 3 of 4: rmse 60.6667 held out (134 rows, 111 rounds, 0.12 s)",
        "fold 1 of 4 is tried again after: PlatformError: no memory",
        "fold 3 of 4: job cv-f2 is created",
        "fold 4 of 4: the driver fits it itself",
        "fold 2 of 4 failed: AlgorithmError: no",
    ]
    looks = [document(training_jobs=[training("cv", last_line=line)]) for line in lines]

    assert seen(looks[0]).folds("cv") is None
    assert seen(*looks[:3]).folds("cv") == Folds(1, 4)
    assert seen(*looks).folds("cv") == Folds(2, 4)


@pytest.mark.parametrize(
    ("hyperparameters", "folds"),
    [
        ({"cv_folds": "3", "cv_repeats": "2"}, Folds(0, 6)),
        ({"_kfold": '"5"'}, Folds(0, 5)),
        ({"cv_folds": "many"}, None),
        ({"num_round": "3"}, None),
    ],
)
def test_the_request_tells_how_many_folds_there_will_be(
    hyperparameters: dict[str, str], folds: Folds | None
) -> None:
    found = seen(document(training_jobs=[training("cv", hyperparameters=hyperparameters)]))

    assert found.folds("cv") == folds


def test_running_means_count_folds_and_the_final_line_is_none() -> None:
    """With cv_emit=running three folds give four values; with final, one value is no fold."""
    jobs = [training("search-001", tuning_job="search", hyperparameters=FOLDED)]
    four = document(tuning_jobs=[tuning([trial(1, epochs=[4, 3, 2, 2])])], training_jobs=jobs)
    final = [training("search-001", tuning_job="search", hyperparameters={"cv_folds": "3"})]
    one = document(tuning_jobs=[tuning([trial(1, epochs=[2])])], training_jobs=final)

    assert seen(four).folds("search-001") == Folds(3, 3)
    assert seen(one).folds("search-001") == Folds(0, 3)


def test_a_completed_driver_has_no_fold_left_whatever_lines_were_missed() -> None:
    job = training("cv", "Completed", hyperparameters={"cv_folds": "5"}, last_line="done")

    assert seen(document(training_jobs=[job])).folds("cv") == Folds(5, 5)


def test_in_a_low_terminal_running_best_and_newest_trials_stay() -> None:
    trials = [trial(1, "Completed", value=1.5), *[trial(n, "Stopped") for n in range(2, 40)]]
    found = seen(document(tuning_jobs=[tuning([trials[0], trial(2), *trials[2:]])]))

    lines = text(found, height=20)
    shown = [words(line.replace("*", ""))[0] for line in lines if "0.08347 " in line]
    assert len(lines) <= 20
    assert shown[:3] == ["1", "2", "36"]
    assert shown[-1] == "39"
    assert lines[-1] == "  33 ended trials are not shown here"


def test_a_search_without_a_limit_of_trials_has_no_bar() -> None:
    found = seen(document(tuning_jobs=[tuning([trial(1)], max_jobs=None)]))

    assert text(found)[3:5] == [
        "Bayesian, minimize validation:rmse, at most 2 at once",
        "0 ended, 1 running",
    ]


def test_what_a_job_writes_moves_no_cursor_and_takes_one_line() -> None:
    job = training("rude", last_line="\x1b[2Jred\r" + "x" * 300)
    lines = text(seen(document(training_jobs=[job])))

    assert lines[-1].startswith("rude │ [2Jred xxx")
    assert cell_len(lines[-1]) == 76


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"status": "Stopped", "secondary": "Stopped", "stopped_early": True}, "Stopped early"),
        ({"status": "Stopped", "secondary": "MaxRuntimeExceeded"}, "MaxRuntimeExceeded"),
        ({"status": "Stopping", "secondary": "Stopping"}, "Stopping"),
        ({"secondary": "Uploading"}, "Uploading"),
    ],
)
def test_the_state_says_most(changed: dict[str, object], state: str) -> None:
    found = seen(document(tuning_jobs=[tuning([trial(1) | changed])]))

    assert state in text(found)[-1]


def test_ended_searches_take_a_line_beside_a_running_one() -> None:
    ended = tuning(
        [trial(1, "Completed", value=2.5)], name="old", status="Completed", ended=T0 + 100
    )
    found = seen(document(tuning_jobs=[ended, tuning([])]))

    assert text(found)[1] == "old: Completed after 1:40, 1 trials, best validation:rmse 2.5"
    assert text(found)[3] == "search: InProgress, 0:12"


def test_an_empty_plane_says_so_in_a_line() -> None:
    assert text(seen(document())) == ["00:00:12 UTC, training jobs: 0 live, 0 ended"]


def test_plain_lines_tell_a_search_from_the_start() -> None:
    opening = "Bayesian, minimize validation:rmse, 6 trials, at most 2 at once"

    assert events(None, seen(search())) == [
        f"00:00:12  search: InProgress, {opening}",
        "00:00:12  trial 1: eta 0.08347, max_depth 1",
        "00:00:12  trial 1: Completed after 0:07, validation:rmse 57.1234 ± 1.64, the best so far",
        "00:00:12  trial 2: eta 0.08347, max_depth 2",
        "00:00:12  trial 2: Failed after 0:07, AlgorithmError: eta is 1.5",
        "00:00:12  trial 3: eta 0.08347, max_depth 3",
        "00:00:12  trial 3: 2 of 3 folds ended",
        "00:00:12  trial 3: Training",
        "00:00:12  trial 4: eta 0.08347, max_depth 4",
        "00:00:12  trial 4: Downloading",
    ]


def test_nothing_new_is_no_line() -> None:
    assert events(seen(search()), seen(search(now=13))) == []


def test_plain_lines_tell_only_what_changed() -> None:
    later = search(now=75)
    later["tuning_jobs"][0]["trials"][3].update(secondary="Training", started=T0 + 70)
    later["tuning_jobs"][0].update(
        status="Completed", ended=T0 + 75, completion_reason="all trials ended"
    )
    later["training_jobs"].append(training("alone", "Stopped"))

    ending = "4 trials, best validation:rmse 57.1234, no more trials: all trials ended"
    assert events(seen(search()), seen(later)) == [
        "00:01:15  trial 4: Training",
        f"00:01:15  search: Completed after 1:15, {ending}",
        "00:01:15  alone: Stopped after 0:07",
    ]


def test_trials_of_two_searches_are_told_apart() -> None:
    found = seen(document(tuning_jobs=[tuning([trial(1)]), tuning([], name="other")]))

    assert "00:00:12  search trial 1: Training" in events(None, found)
