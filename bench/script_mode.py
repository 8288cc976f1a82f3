"""A user's script as a job beside the same script run by hand: what script mode adds to its time.

By hand is the script under the same interpreter with the same arguments and the variables that it
reads.  A hundred megabytes of output show what passing it through costs.  Where `make
test-script-mode` has made its environment, one job asks sagemaker-training for the variables.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from processes import Command, Run, interleave, median_wall_s, tool, weather
from report import Claim, Section, Table, seconds
from workplace import Workplace

BY_HAND = "by hand"
AS_JOB = "as a job"
BOUND_S = 0.5

_ROOT = Path(__file__).resolve().parent.parent
_EXAMPLE = _ROOT / "local_test" / "scripts" / "sklearn_svm.py"
_WITH_TOOLKIT = _ROOT / "build" / "script-mode" / "bin" / "python"
_TOLD_BY_TOOLKIT = "empty, with sagemaker-training"
_LOUD = 'import sys\nfor _ in range(1600):\n    sys.{}.write("x" * 65535 + "\\n")\n'
_SCRIPTS: Mapping[str, Callable[[], str]] = {
    "empty": lambda: "",
    "sample (SVC on 150 rows)": lambda: _EXAMPLE.read_text(encoding="utf-8"),
    "100 MB on stdout": lambda: _LOUD.format("stdout"),
    "100 MB on stderr": lambda: _LOUD.format("stderr"),
}
_PAIRS, _QUICK_PAIRS = 11, 5


def measure_script_mode(workplace: Workplace) -> Section:
    """Measure scripts that do nothing, that fit, and that are loud."""
    section = Section("script_mode")
    rows: list[tuple[object, ...]] = []
    every: list[Run] = []
    for number, (title, source) in enumerate(_scripts().items()):
        root = workplace.root / "jobs" / f"script-{number}"
        python = str(_WITH_TOOLKIT) if title == _TOLD_BY_TOOLKIT else sys.executable
        commands = _commands(root, source(), workplace.iris, python)
        interleave(commands, 1)
        runs = interleave(commands, _QUICK_PAIRS if workplace.quick else _PAIRS)
        every += [run for each in runs.values() for run in each]
        added_s = _added_s(runs[AS_JOB], runs[BY_HAND])
        walls = (median_wall_s(runs[AS_JOB]), median_wall_s(runs[BY_HAND]))
        rows.append((title, len(runs[AS_JOB]), *map(seconds, (*walls, added_s))))
        claim = f"{title}: at most {BOUND_S} s more than by hand"
        section.claims.append(Claim(claim, seconds(added_s), holds=added_s <= BOUND_S))
        section.figures[title] = {name: [run.wall_s for run in each] for name, each in runs.items()}
    header = ("script", "pairs", AS_JOB, BY_HAND, "added")
    section.show(Table("Script mode: beside the script by hand", header, rows, (weather(every),)))
    return section


def _scripts() -> Mapping[str, Callable[[], str]]:
    if not _WITH_TOOLKIT.exists():
        return _SCRIPTS
    return {**_SCRIPTS, _TOLD_BY_TOOLKIT: _SCRIPTS["empty"]}


def _added_s(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    return statistics.median(
        own.wall_s - other.wall_s for own, other in zip(ours, theirs, strict=True)
    )


def _commands(root: Path, source: str, data: Path, python: str) -> tuple[Command, Command]:
    shutil.rmtree(root, ignore_errors=True)
    config, channel, code = root / "input/config", root / "input/data/train", root / "code"
    for folder in (config, channel, code, root / "model"):
        folder.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(
        json.dumps({"sagemaker_program": "train.py", "kernel": "linear"})
    )
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {}}))
    (code / "train.py").write_text(source)
    shutil.copy(data, channel)
    by_hand = Command(
        BY_HAND,
        (python, str(code / "train.py"), "--kernel", "linear"),
        {"SM_MODEL_DIR": str(root / "model"), "SM_CHANNEL_TRAIN": str(channel)},
    )
    as_job = (python, *tool("train")[1:])
    return by_hand, Command(AS_JOB, as_job, {"SAGEMAKER_BASE_DIR": str(root)})
