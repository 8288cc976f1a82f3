from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from local_test.control_plane.view.events import events
from local_test.control_plane.view.progress import Progress
from local_test.control_plane.view.snapshot_shape import Folds
from local_test.control_plane.view.terminal import render
from tests.control_plane.shown_jobs import (
    T0,
    document,
    fold_job,
    folds,
    resource,
    search,
    seen,
    training,
    trial,
    tuning,
)

OPENING = "Bayesian, minimize validation:rmse, 6 trials, at most 2 at once"


def text(found: Progress, width: int = 80, height: int | None = None) -> list[str]:
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
    jobs = [
        training("churn"),
        fold_job("churn", 10),
        fold_job("churn", 2, "Completed"),
        training("other-f1"),
    ]
    lines = text(seen(document(training_jobs=jobs)))

    found = [words(line)[:3] for line in lines[4:]]
    assert found == [
        ["churn", "Training", "1/2"],
        ["└", "f2", "Completed"],
        ["└", "f10", "Training"],
        ["other-f1", "Training", "0:10"],
    ]


def test_of_the_tries_of_a_fold_the_newest_counts() -> None:
    jobs = [
        training("cv", hyperparameters={"cv_folds": "3"}),
        fold_job("cv", 0, "Failed"),
        fold_job("cv", 1, "Completed"),
        fold_job("cv", 0, attempt=1),
    ]
    found = seen(document(training_jobs=jobs))

    assert found.folds("cv") == Folds(1, 3)
    assert [job.name for job in found.fold_jobs["cv"]] == ["cv-f0", "cv-f0-r1", "cv-f1"]


def test_folds_of_a_running_trial_stand_below_it() -> None:
    jobs = [training("search-001", tuning_job="search"), fold_job("search-001", 0, "Completed")]
    found = seen(document(tuning_jobs=[tuning([trial(1)])], training_jobs=jobs))

    lines = text(found)
    assert words(lines[-1])[:3] == ["└", "f0", "Completed"]
    assert not any(line.startswith("training job") for line in lines)


def test_folds_are_those_of_which_the_driver_has_said_that_they_ended() -> None:
    """The newest line of its log tells of one fold, however many have ended."""
    line = "fold 2 of 5: rmse 60.6667 held out (134 rows, 111 rounds, 0.12 s)"
    jobs = [
        training("cv", folds=folds(1, 2, 4, total=5), last_line=line),
        training("stopped", "Stopped", folds=folds(3, total=4), hyperparameters={"cv_folds": "3"}),
    ]
    found = seen(document(training_jobs=jobs))

    assert found.folds("cv") == Folds(3, 5)
    assert found.folds("stopped") == Folds(1, 4)


@pytest.mark.parametrize(
    ("hyperparameters", "told"),
    [
        ({"cv_folds": "3", "cv_repeats": "2"}, Folds(0, 6)),
        ({"_kfold": '"5"'}, Folds(0, 5)),
        ({"cv_folds": "many"}, None),
        ({"num_round": "3"}, None),
    ],
)
def test_the_request_tells_how_many_folds_there_will_be(
    hyperparameters: dict[str, str], told: Folds | None
) -> None:
    found = seen(document(training_jobs=[training("cv", hyperparameters=hyperparameters)]))

    assert found.folds("cv") == told


def test_a_completed_driver_has_no_fold_left_whatever_lines_were_missed() -> None:
    job = training("cv", "Completed", hyperparameters={"cv_folds": "5"}, last_line="done")

    assert seen(document(training_jobs=[job])).folds("cv") == Folds(5, 5)


def test_in_a_low_terminal_running_best_and_newest_trials_stay() -> None:
    trials = [trial(1, "Completed", value=1.5), *[trial(n, "Stopped") for n in range(2, 40)]]
    found = seen(document(tuning_jobs=[tuning([trials[0], trial(2), *trials[2:]])]))

    lines = text(found, height=20)
    shown = [words(line.replace("*", ""))[0] for line in lines if "0.08347 " in line]
    assert len(lines) <= 20
    assert shown[:3] == ["1", "2", "33"]
    assert shown[-1] == "39"
    assert lines[-1] == "  30 ended trials are not shown here"


@pytest.mark.parametrize("n_tuned", [2, 12])
@pytest.mark.parametrize("height", [28, 50])
def test_a_moving_view_has_room_for_what_runs_and_for_why_others_failed(
    n_tuned: int, height: int
) -> None:
    """Whatever does not fit would be cut at the end, where the trials that run are."""
    values = {f"hyperparameter_{number}": "0.123456789" for number in range(n_tuned)}
    reason = {"failure_reason": "AlgorithmError: " + "no " * 100}
    trials = [trial(1, "Completed", value=1.5, values=values)]
    trials += [trial(number, "Failed", values=values, **reason) for number in range(2, 40)]
    trials.append(trial(40, values=values))
    jobs = [
        training(each["job"], each["status"], tuning_job="search", last_line="said " * 40)
        | {"failure_reason": each["failure_reason"]}
        for each in trials
    ]
    jobs += [training(f"other-{number}", "Completed") for number in range(30)]
    more = [resource("Endpoints", f"e-{number}", "InService") for number in range(30)]
    found = seen(document(tuning_jobs=[tuning(trials)], training_jobs=jobs, resources=more))

    lines = text(found, width=80, height=height)

    assert height - 4 <= len(lines) <= height
    assert any(words(line)[:2] == ["40", "Training"] for line in lines)
    assert lines[-1].startswith("trial 40 │ said")
    assert len(text(found, width=80)) > 100


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


def test_plain_lines_tell_a_search_from_the_start_each_at_its_own_time() -> None:
    assert events(None, seen(search())) == [
        f"00:00:00  search: InProgress, {OPENING}",
        "00:00:00  trial 1: eta 0.08347, max_depth 1",
        "00:00:00  trial 2: eta 0.08347, max_depth 2",
        "00:00:00  trial 3: eta 0.08347, max_depth 3",
        "00:00:00  trial 4: eta 0.08347, max_depth 4",
        "00:00:01  trial 4: Downloading",
        "00:00:02  trial 3: Training",
        "00:00:09  trial 1: Completed after 0:07, validation:rmse 57.1234 ± 1.64, the best so far",
        "00:00:09  trial 2: Failed after 0:07, AlgorithmError: eta is 1.5",
        "00:00:12  trial 3: 2 of 3 folds ended",
    ]


def test_a_search_that_has_ended_is_told_with_its_end_and_the_day_of_it() -> None:
    ended = tuning([], status="Completed", ended=T0 + 100, completion_reason="enough")

    assert events(None, seen(document(tuning_jobs=[ended], now=90_000))) == [
        f"2026-01-01 00:00:00  search: InProgress, {OPENING}",
        "2026-01-01 00:01:40  search: Completed after 1:40, 0 trials, no more trials: enough",
    ]


def test_nothing_new_is_no_line() -> None:
    assert events(seen(search()), seen(search(now=13))) == []


def test_plain_lines_tell_only_what_changed() -> None:
    later = search(now=75)
    later["tuning_jobs"][0]["trials"][3].update(secondary="Training", started=T0 + 70)
    later["tuning_jobs"][0].update(
        status="Completed", ended=T0 + 75, completion_reason="all trials ended"
    )
    later["training_jobs"][3].update(secondary="Training", since=T0 + 70)
    later["training_jobs"].append(training("alone", "Stopped", since=T0 + 74.9))

    ending = "4 trials, best validation:rmse 57.1234, no more trials: all trials ended"
    assert events(seen(search()), seen(later)) == [
        "00:01:10  trial 4: Training",
        "00:01:14  alone: Stopped after 0:07",
        f"00:01:15  search: Completed after 1:15, {ending}",
    ]


def test_trials_of_two_searches_are_told_apart() -> None:
    found = seen(document(tuning_jobs=[tuning([trial(1)]), tuning([], name="other")]))

    assert "00:00:12  search trial 1: Training" in events(None, found)


def others() -> list[dict[str, object]]:
    """Return an endpoint, jobs and a model, which has no status."""
    failed = {"failure_reason": "ClientError: no rows\n\x1b[2J", "started": T0, "ended": T0 + 8}
    return [
        resource("Endpoints", "churn", "InService", facts={"Configuration": "c", "Variants": "a"}),
        resource("Transform jobs", "batch", "Failed", **failed),
        resource("Processing jobs", "evaluate", "InProgress", started=T0 + 5),
        resource("Models", "m", None),
    ]


def test_what_is_no_training_has_its_table_and_its_reasons() -> None:
    found = seen(document(resources=others()))
    lines, wide = text(found), text(found, 120)

    assert lines[2].split() == ["beside", "training", "name", "status", "time"]
    assert wide[4].split()[3:] == ["–", "Configuration", "c,", "Variants", "a"]
    assert [line.split() for line in lines[4:]] == [
        ["endpoint", "churn", "InService", "–"],
        ["transform", "job", "batch", "Failed", "0:08"],
        ["processing", "job", "evaluate", "InProgress", "0:07"],
        [],
        ["transform", "job", "batch", "failed:", "ClientError:", "no", "rows", "[2J"],
    ]


def test_an_endpoint_that_serves_has_not_failed_where_its_change_did() -> None:
    reason = {"failure_reason": "no /ping"}
    both = [
        resource("Endpoints", "kept", "InService", **reason),
        resource("Endpoints", "lost", "Failed", **reason),
    ]

    assert text(seen(document(resources=both)))[-2:] == [
        "endpoint kept could not be changed: no /ping",
        "endpoint lost failed: no /ping",
    ]


@pytest.mark.parametrize("width", [60, 160])
def test_long_names_of_what_is_no_training_fit_too(width: int) -> None:
    long = resource("Endpoints", "e" * 63, "InService", facts={"Configuration": "c" * 200})

    lines = text(seen(document(resources=[long])), width)

    assert max(map(cell_len, lines)) <= width
    assert "".join(lines).count("e") >= 63


def test_of_many_things_the_newest_and_those_under_way_are_shown() -> None:
    many = [
        resource("Processing jobs", f"job-{at:02}", "InProgress" if at == 3 else "Completed")
        | {"created": T0 + at}
        for at in range(40)
    ]
    lines = text(seen(document(resources=many)), height=24)

    assert len(lines) <= 24
    shown = [line.split()[2] for line in lines[4:]]
    assert (shown[0], shown[-1]) == ("job-03", "job-39")


def test_plain_lines_tell_what_is_no_training() -> None:
    first = seen(document(resources=others()))
    changed = [others()[0] | {"status": "Deleting"}, others()[1]]
    changed.append(others()[2] | {"status": "Completed", "ended": T0 + 20})
    later = seen(document(resources=changed, now=30))
    last = seen(document(resources=changed[1:], now=31))

    assert events(None, first) == [
        "00:00:00  endpoint churn: InService",
        "00:00:00  processing job evaluate: InProgress",
        "00:00:08  transform job batch: Failed, ClientError: no rows  [2J",
    ]
    assert events(first, later) == [
        "00:00:20  processing job evaluate: Completed",
        "00:00:30  endpoint churn: Deleting",
    ]
    assert events(later, last) == ["00:00:31  endpoint churn: deleted"]


def test_plain_lines_tell_when_an_endpoint_came_to_be_as_it_is() -> None:
    failed = resource("Endpoints", "e", "Failed", since=T0 + 90_000)
    serves = resource("Endpoints", "f", "Updating", since=T0 + 90_010)
    served = serves | {"status": "InService", "since": T0 + 90_020}
    first = seen(document(resources=[failed, serves], now=93_600))
    later = seen(document(resources=[failed, served], now=93_601))

    assert events(None, first) == [
        "01:00:00  endpoint e: Failed",
        "01:00:10  endpoint f: Updating",
    ]
    assert events(first, later) == ["01:00:20  endpoint f: InService"]


@pytest.mark.parametrize(
    ("status", "is_idle"),
    [
        ("InProgress", False),
        ("Creating", False),
        ("RollingBack", False),
        ("InService", True),
        ("Failed", True),
    ],
)
def test_a_plane_is_idle_where_nothing_is_under_way(status: str, is_idle: bool) -> None:  # noqa: FBT001
    found = seen(document(resources=[resource("Endpoints", "e", status)])).snapshot

    assert (found.is_idle, found.is_empty) == (is_idle, False)
    assert seen(document(resources=[resource("Models", "m", None)])).snapshot.is_empty
