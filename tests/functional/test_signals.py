"""SIGTERM and SIGKILL in each phase: exit code, files, and what a new start repeats."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.opt_ml import build_opt_ml, run, start, stop_when

GRACE_S = 10.0
STOPPED = "PlatformError: stopped before a model existed"


def _rows(n_rows: int) -> list[list[float]]:
    """Rows whose fit takes long enough to be stopped in."""
    random = np.random.default_rng(0)
    features = random.normal(size=(n_rows, 10)).round(3)
    label = features[:, 0] + np.sin(3 * features[:, 1]) + random.normal(size=n_rows).round(3)
    rows: list[list[float]] = np.column_stack([label, features]).tolist()
    return rows


LONG = {"num_round": "100000", "max_depth": "4", "task": "regression"}


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_a_stopped_booster_leaves_the_model_of_its_last_round(
    tmp_path: Path, algorithm: str
) -> None:
    opt_ml = build_opt_ml(
        tmp_path, LONG | {"algorithm": algorithm}, {"train": {"a.csv": _rows(2000)}}
    )

    ended, seconds = stop_when(
        opt_ml, start(opt_ml), lambda line: line.startswith("[20]"), signal.SIGTERM
    )

    assert ended.code == 0, ended.log
    assert seconds < GRACE_S
    assert ended.manifest["complete"] is False
    rounds = sum(line.startswith("[") for line in ended.log.splitlines())
    assert ended.manifest["rounds_done"] == rounds
    assert ended.failure == ""


def test_a_stopped_estimator_without_rounds_leaves_a_failure_and_no_model(tmp_path: Path) -> None:
    own = {"algorithm": "svm", "kernel": "rbf", "C": "1000", "task": "regression"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(20000)}})

    ended, seconds = stop_when(
        opt_ml, start(opt_ml), lambda line: line.startswith("task regression"), signal.SIGTERM
    )

    assert ended.code == 1
    assert seconds < GRACE_S
    assert ended.failure.startswith(STOPPED)
    assert not (opt_ml.model / "manifest.json").exists()


@pytest.mark.parametrize("mode", [{}, {"cv_folds": "3"}])
def test_a_stop_while_the_data_is_read_leaves_a_failure_and_no_model(
    tmp_path: Path, mode: dict[str, str]
) -> None:
    # JSON Lines take seconds to read, so the signal surely meets the reading.
    opt_ml = build_opt_ml(tmp_path, LONG | mode | {"label": "y"}, {"train": {}})
    opt_ml.channel("train").mkdir(parents=True)
    line = ", ".join(f'"x{number}": {number}.5' for number in range(10))
    lines = "".join(f'{{"y": {row}, {line}}}\n' for row in range(200_000))
    (opt_ml.channel("train") / "a.jsonl").write_text(lines)
    process = start(opt_ml)
    _wait_until_open(process, "a.jsonl")

    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=60)

    assert process.returncode == 1, log
    assert opt_ml.failure.read_text().startswith(STOPPED)
    assert not (opt_ml.model / "manifest.json").exists()


def test_a_stop_during_the_refit_of_an_estimator_without_rounds_keeps_the_results(
    tmp_path: Path,
) -> None:
    own = {"algorithm": "svm", "kernel": "rbf", "C": "1000", "task": "regression"}
    own |= {"cv_strategy": "shuffle_split", "cv_folds": "2", "cv_test_fraction": "0.97"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(20_000)}})

    def ready(line: str) -> bool:
        is_ready = line.lstrip().startswith("±")
        time.sleep(0.5 * is_ready)
        return is_ready

    ended, seconds = stop_when(opt_ml, start(opt_ml), ready, signal.SIGTERM)

    assert ended.code == 1
    assert seconds < GRACE_S
    assert ended.failure.startswith(STOPPED)
    assert not (opt_ml.model / "manifest.json").exists()
    assert ended.cv_results["final_model"]["kind"] == "none"
    assert len(ended.oof()) > 0


@pytest.mark.parametrize("launcher", ["inline", "process"])
def test_a_stop_during_the_folds_ends_them_all(tmp_path: Path, launcher: str) -> None:
    own = LONG | {"cv_folds": "3", "cv_launcher": launcher}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(2000)}})
    process = start(opt_ml)

    def ready(line: str) -> bool:
        is_ready = line.startswith("split: ")
        time.sleep(3 * is_ready)
        return is_ready

    ended, seconds = stop_when(opt_ml, process, ready, signal.SIGTERM)

    assert ended.code == 1, ended.log
    assert seconds < GRACE_S
    assert ended.failure.startswith(STOPPED)
    assert not (opt_ml.model / "manifest.json").exists()
    assert not _alive_in_session(process.pid)


def test_a_stop_during_the_refit_leaves_results_and_the_model_so_far(tmp_path: Path) -> None:
    import psutil

    # The folds have few rows, so their rounds are short and the refit's are long.
    own = LONG | {"cv_folds": "2", "num_round": "3000", "nthread": "1"}
    own |= {"cv_strategy": "shuffle_split", "cv_test_fraction": "0.97"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(20_000)}})
    process = start(opt_ml)

    def ready(line: str) -> bool:
        is_ready = line.lstrip().startswith("±")
        if is_ready:
            # It has worked on the refit for that long, however busy the machine is.
            (worker,) = psutil.Process(process.pid).children()
            begun = worker.cpu_times().user
            while worker.cpu_times().user < begun + 0.25:
                time.sleep(0.01)
        return is_ready

    ended, seconds = stop_when(opt_ml, process, ready, signal.SIGTERM)

    assert ended.code == 0, ended.log
    assert seconds < GRACE_S
    assert ended.manifest["complete"] is False
    assert 0 < ended.manifest["rounds_done"] < 3000
    assert ended.cv_results["final_model"]["complete"] is False
    assert ended.metric("validation:rmse") > 0


@pytest.mark.parametrize("launcher", ["inline", "process"])
def test_a_killed_and_restarted_driver_repeats_no_finished_fold(
    tmp_path: Path, launcher: str
) -> None:
    own = LONG | {"cv_folds": "4", "num_round": "400", "cv_launcher": launcher}
    # Threads that wait for each other take minutes where a machine has other things to do.
    own |= {"cv_max_parallel": "1", "cv_final_model": "none", "nthread": "1"}
    channels = {"train": {"a.csv": _rows(2000)}}

    # A driver may be done before it is killed, where this process has to wait for a busy machine.
    for attempt in range(10):
        opt_ml = build_opt_ml(tmp_path / f"killed-{attempt}", own, channels)
        killed, _ = stop_when(
            opt_ml, start(opt_ml), lambda line: line.startswith("fold 2 of 4"), signal.SIGKILL
        )
        if killed.code == -signal.SIGKILL:
            break
    finished = sorted(path.name for path in opt_ml.checkpoints.rglob("fold-*.npz"))
    again = run(opt_ml)

    assert killed.code == -signal.SIGKILL
    assert len(finished) >= 2
    assert f"{len(finished)} of 4 folds taken over from an earlier run" in again.log
    assert again.code == 0, again.log
    for name in finished:
        number = int(name.removeprefix("fold-").removesuffix(".npz")) + 1
        assert f"fold {number} of 4:" not in again.log
    undisturbed = run(build_opt_ml(tmp_path / "undisturbed", own, channels))
    assert again.oof() == undisturbed.oof()


def test_a_changed_hyperparameter_takes_over_nothing(tmp_path: Path) -> None:
    own = {"cv_folds": "3", "num_round": "5", "task": "regression", "cv_final_model": "none"}
    channels = {"train": {"a.csv": _rows(200)}}
    run(build_opt_ml(tmp_path, own, channels))

    again = run(build_opt_ml(tmp_path, own | {"eta": "0.1"}, channels))

    assert again.code == 0, again.log
    assert "taken over" not in again.log


def test_a_killed_worker_is_reported_by_its_supervisor(tmp_path: Path) -> None:
    import psutil

    opt_ml = build_opt_ml(tmp_path, LONG, {"train": {"a.csv": _rows(2000)}})
    process = start(opt_ml)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("[5]"))

    psutil.Process(process.pid).children()[0].kill()
    process.communicate(timeout=60)

    assert process.returncode == 1
    failure = opt_ml.failure.read_text()
    assert failure.startswith("PlatformError: the training process was killed (SIGKILL)")


def test_a_killed_fold_process_is_tried_again(tmp_path: Path) -> None:
    import psutil

    own = LONG | {"num_round": "300", "cv_folds": "2", "cv_launcher": "process"}
    own |= {"cv_max_parallel": "1", "cv_final_model": "none"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(2000)}})
    process = start(opt_ml)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("split: "))

    worker = psutil.Process(process.pid).children()[0]
    deadline = time.monotonic() + 30
    while not (folds := worker.children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    folds[0].kill()
    log, _ = process.communicate(timeout=60)

    assert process.returncode == 0, log
    assert "fold 1 of 2: rmse" in log


def test_a_parent_that_ignores_ended_children_changes_nothing(tmp_path: Path) -> None:
    own = {"num_round": "3", "task": "regression"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"a.csv": _rows(100)}})
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execv(sys.executable, [sys.executable, '-Iu', '-m', 'train'])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"SAGEMAKER_BASE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (opt_ml.model / "manifest.json").is_file()


def _wait_until_open(process: subprocess.Popen[str], name: str) -> None:
    """Return when a child of the process reads the file."""
    import psutil

    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children():
                if any(Path(file.path).name == name for file in child.open_files()):
                    return
        time.sleep(0.01)


def _alive_in_session(session: int) -> list[int]:
    import os

    import psutil

    deadline = time.monotonic() + 30
    while True:
        alive = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == session and process.status() != "zombie":
                    alive.append(process.pid)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.1)
