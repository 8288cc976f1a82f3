"""Rules of the house that neither ruff nor mypy nor import-linter can say."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 400
NOT_A_NOUN = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "manager"}
# Written so that this file does not match its own rules.
INDEX_HOST = re.compile(r"pypi[.]org|python[h]osted|pypi[.]python|anaconda[.]org|npmjs[.]org")
INDEX_OPTION = re.compile(
    r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", re.MULTILINE
)
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(work|root|home|Users|tmp/[a-z]\w*)/\w")

SOURCES = sorted((ROOT / "src").rglob("*.py"))
REHEARSAL = sorted((ROOT / "local_test").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_a_function_has_at_most_40_lines_of_code() -> None:
    too_long = [
        f"{name_of(path)}:{function.lineno} {function.name} has {_code_lines(function)} lines"
        for path in (*SOURCES, *REHEARSAL, *TESTS)
        for function in _functions(path)
        if _code_lines(function) > MAX_FUNCTION_LINES
    ]

    assert too_long == []


def test_a_file_has_at_most_400_lines() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*SOURCES, *REHEARSAL)
    }

    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_a_module_is_named_after_something() -> None:
    modules = (*SOURCES, *REHEARSAL, *TESTS)
    vague = [p for p in modules if not NOT_A_NOUN.isdisjoint({p.stem, p.parent.name})]

    assert vague == []


def test_only_the_paths_module_spells_the_root_of_the_contract() -> None:
    spelled = {name_of(path) for path in SOURCES for text in _strings(path) if "/opt/ml" in text}

    assert spelled == {"src/crossfold/contract/paths.py"}


def test_only_main_modules_read_the_environment() -> None:
    readers = [f"{name_of(path)}:{line}" for path in SOURCES for line in _environment_lines(path)]

    assert [reader for reader in readers if "/__main__.py:" not in reader] == []
    assert readers != []


def test_nothing_is_unpickled() -> None:
    """A model folder may come from anywhere; joblib's load is pickle's."""
    unsafe = {"pickle", "cloudpickle", "dill", "shelve", "joblib"}

    assert [name_of(path) for path in SOURCES if not unsafe.isdisjoint(_imported(path))] == []


def test_no_file_names_an_index_host_or_a_path_of_one_machine() -> None:
    found = [
        f"{name_of(path)}: {match.group()}"
        for path in _project_files()
        for rule in (INDEX_HOST, MACHINE_PATH)
        for match in rule.finditer(path.read_text(encoding="utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=name_of)
def test_every_pin_has_its_hashes_and_no_source(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    pins = [line for line in code.splitlines() if line]

    assert INDEX_OPTION.search(text) is None
    assert [pin for pin in pins if not re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:", pin)] == []


def test_development_and_image_agree_on_every_shared_pin() -> None:
    runtime = _pins("runtime.txt")

    for other in ("dev.txt", "bench.txt", "script-mode.txt"):
        pins = _pins(other)
        shared = runtime.keys() & pins.keys()
        assert {name: pins[name] for name in shared} == {name: runtime[name] for name in shared}


def test_script_mode_stays_out_of_development() -> None:
    """Its package brings a `train` of its own and needs a compiler."""
    assert "sagemaker-training" not in _pins("runtime.txt").keys() | _pins("dev.txt").keys()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _strings(path: Path) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings."""
    tree = _tree(path)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def _environment_lines(path: Path) -> Iterator[int]:
    names = {"environ", "environb", "getenv", "putenv"}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os" and node.attr in names:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in names)


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


def _project_files() -> Iterator[Path]:
    """Yield the text files that are, or are about to be, under version control."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in sorted(set(filter(None, listed.stdout.decode().split("\0")))):
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes()[:8000]:
            yield path
