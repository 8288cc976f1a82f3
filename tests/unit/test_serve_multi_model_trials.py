from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.multi_model.trials import Trials
from serve.refusals import Refusal
from tests.hosted_models import DAMAGES, HANGING, HostedModels

MB = 1024 * 1024


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    """Yield trials in a process that the tests share."""
    trials = Trials(seconds=60.0)
    yield trials
    trials.stop()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> HostedModels:
    return HostedModels(tmp_path_factory.mktemp("ml"))


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "random_forest"])
def test_a_sound_model_passes(algorithm: str, hosted: HostedModels, trials: Trials) -> None:
    url = hosted.add(f"sound-{algorithm}", algorithm)

    # 12 small trees; a library's import may come on top.
    assert 0 < trials.require_good(Path(url), 1000 * MB) < 150 * MB


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_hostile_model_is_refused_in_one_sentence(
    damage: str, hosted: HostedModels, trials: Trials
) -> None:
    folder = Path(hosted.add_damaged(damage.replace(": ", "-").replace(" ", "-"), damage))

    with pytest.raises(Refusal) as caught:
        trials.require_good(folder, 1000 * MB)

    assert caught.value.status == 400
    assert caught.value.message.startswith("the model cannot be loaded: ")
    assert str(hosted.root) not in caught.value.message
    assert not (folder / "unpickled").exists()
    # The process still tries the next.
    assert trials.require_good(Path(_sound(hosted)), None) > 0


def test_a_model_that_hangs_is_given_up(hosted: HostedModels) -> None:
    url = hosted.add_damaged("hangs", HANGING)
    trials = Trials(seconds=1.0)

    with pytest.raises(Refusal, match="could not be read and predict a row within 1 s"):
        trials.require_good(Path(url), None)

    trials.stop()


def test_too_little_memory_is_507_and_never_the_models_fault(
    hosted: HostedModels, trials: Trials
) -> None:
    url = hosted.add("big", "lightgbm", num_round=400)

    with pytest.raises(Refusal) as caught:
        trials.require_good(Path(url), 100_000)

    assert caught.value.status == 507
    assert "not enough memory" in caught.value.message


def test_a_trial_process_that_was_killed_is_replaced(
    hosted: HostedModels, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    trials.require_good(Path(_sound(hosted)), None)
    killed = trials._pid
    os.kill(killed, signal.SIGKILL)

    assert trials.require_good(Path(_sound(hosted)), None) > 0

    assert trials._pid != killed
    assert '"event":"trial_process_died"' in capfd.readouterr().out


def test_trials_of_many_threads_take_turns(hosted: HostedModels, trials: Trials) -> None:
    good, bad = Path(_sound(hosted)), Path(hosted.add_damaged("turns", "xgboost: truncated"))
    seen: list[str] = []

    def try_once(folder: Path) -> None:
        try:
            trials.require_good(folder, None)
        except Refusal:
            seen.append("refused" if folder is bad else "wrong")
        else:
            seen.append("good" if folder is good else "wrong")

    threads = [threading.Thread(target=try_once, args=(f,)) for f in [good, bad] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == ["good"] * 4 + ["refused"] * 4


def test_a_forked_trial_process_ends_with_its_server_and_holds_none_of_its_files(
    hosted: HostedModels,
) -> None:
    """The server is a child of this test, as only a process with one thread may fork."""
    program = f"""
import os, socket
from pathlib import Path
from serve.multi_model.trials import Trials
port = socket.create_server(("127.0.0.1", 0))
trials = Trials()
trials.start()
assert trials.require_good(Path({_sound(hosted)!r}), None) > 0
folder = Path(f"/proc/{{trials._pid}}/fd")
sockets = [os.readlink(path) for path in folder.iterdir()]
print(trials._pid, sum(name.startswith("socket:") for name in sockets), flush=True)
os.kill(os.getpid(), 9)
"""
    environ = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **os.environ}

    # The pipe's end comes only when the trial process, which inherits it, has ended as well.
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    pid, n_sockets = ended.stdout.split()
    assert int(pid) > 0
    assert n_sockets == "1"
    assert _has_ended(int(pid))


def _sound(hosted: HostedModels) -> str:
    folder = hosted.root / "models" / "sound" / "model"
    return str(folder) if folder.exists() else hosted.add("sound")


def _has_ended(pid: int) -> bool:
    """Wait for the end of a process that closed its files; it is no child of this one."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 20.0)[0])
    finally:
        os.close(handle)
