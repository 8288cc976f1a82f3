"""The user's code beside the model: what is copied of it, what is not, and what stays."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from crossfold.source import beside_model
from crossfold.source.beside_model import NOTE, bring_code, clear_code, files_to_bring
from serve.user_script.finding import Script
from serve.user_script.functions import import_functions

MODEL_FN = "def model_fn(model_dir):\n    return 1\n"


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != NOTE
    }


def write(folder: Path, *names: str, text: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def bring(source: Path, model: Path, program: str = "train.py") -> tuple[str, list[str]]:
    model.mkdir(exist_ok=True)
    heard: list[str] = []
    files = files_to_bring(source)
    return bring_code(model, source, files, program, heard.append), heard


def test_code_comes_without_secrets_and_without_what_others_make(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, "train.py", "pkg/net.py", "pkg/words.txt", "requirements.txt")
    write(source, ".env", ".git/config", ".aws/credentials", "pkg/.netrc", "keys/id.pem", "tls.key")
    write(source, "a.p12", "b.pfx", "TLS.KEY", "Id.Pem", "OLD.PYC")
    write(source, "pkg/__pycache__/net.pyc", "old.pyc", "node_modules/a.js")
    write(source, "venv/pyvenv.cfg", "venv/lib/site.py", ".venv/bin/python")

    said, heard = bring(source, tmp_path / "model")

    assert set(files_in(tmp_path / "model/code")) == {
        *("train.py", "pkg/net.py", "pkg/words.txt", "requirements.txt")
    }
    assert (said, heard) == ("the code is in model/code, for serve", [])


def test_a_program_with_model_fn_is_inference_py_too(tmp_path: Path) -> None:
    write(tmp_path / "source", "train.py", text=MODEL_FN)

    said, _ = bring(tmp_path / "source", tmp_path / "model")

    assert files_in(tmp_path / "model/code") == {"train.py": MODEL_FN, "inference.py": MODEL_FN}
    assert said.endswith("inference.py is train.py")


@pytest.mark.parametrize("program", ["src/fit_it.py", "a b's/deep/fit-it.v2.py", "src/json.py"])
def test_a_program_of_a_subfolder_is_served_with_the_modules_beside_it(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import json, near, top\n_SUM = near.K + top.K\n__all__ = []\n"
    write(tmp_path / "source", program, text=f"{text}def model_fn(model_dir):\n    return _SUM\n")
    write(tmp_path / "source" / Path(program).parent, "near.py", text="K = 1")
    write(tmp_path / "source", "top.py", text="K = 2")

    said, _ = bring(tmp_path / "source", tmp_path / "model", program)
    shutil.rmtree(tmp_path / "source")

    assert said == f"the code is in model/code, for serve; inference.py is {program}"
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    kept = dict(sys.modules)
    code = tmp_path / "model/code"
    try:
        functions, _ = import_functions(Script(code, code / "inference.py"), str(tmp_path))
        assert functions.model_fn("") == 3
        assert sys.modules["json"] is json
    finally:
        for name in sys.modules.keys() - kept.keys():
            del sys.modules[name]


def test_a_program_of_which_python_warns_is_read_in_silence(tmp_path: Path) -> None:
    write(tmp_path / "source", "train.py", text=f"DIGIT = '\\d'\n{MODEL_FN}")

    said, _ = bring(tmp_path / "source", tmp_path / "model")

    assert said.endswith("inference.py is train.py")


def test_an_inference_py_of_the_source_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "source", "train.py", text=MODEL_FN)
    write(tmp_path / "source", "inference.py", text="mine")

    bring(tmp_path / "source", tmp_path / "model")

    assert files_in(tmp_path / "model/code")["inference.py"] == "mine"


def test_links_are_followed_inside_the_source_only(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, "train.py", text="inside")
    write(tmp_path, "secret", "data/big", text="outside")
    (source / "alias.py").symlink_to("train.py")
    (source / "leak.txt").symlink_to(tmp_path / "secret")
    (source / "data").symlink_to(tmp_path / "data")
    (source / "loop").symlink_to(".")
    (source / "broken").symlink_to("nowhere")
    (source / "itself").symlink_to("itself")
    os.mkfifo(source / "pipe")

    bring(source, tmp_path / "model")

    assert files_in(tmp_path / "model/code") == {"train.py": "inside", "alias.py": "inside"}
    assert not (tmp_path / "model/code/alias.py").is_symlink()


@pytest.mark.parametrize("link", [None, "nowhere", "../earlier"])
def test_what_the_script_put_there_stays(tmp_path: Path, link: str | None) -> None:
    write(tmp_path / "source", "train.py", text=MODEL_FN)
    write(tmp_path / "earlier", NOTE)
    code = tmp_path / "model/code"
    if link is None:
        write(code, "inference.py", text="the script's own")
    else:
        code.parent.mkdir()
        code.symlink_to(link)

    said, _ = bring(tmp_path / "source", tmp_path / "model")
    clear_code(tmp_path / "model")

    assert said.startswith("the script has put code beside its model")
    assert code.is_symlink() or files_in(code) == {"inference.py": "the script's own"}


def test_a_copy_of_an_earlier_start_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "source", "train.py", "gone.py", text="old")
    bring(tmp_path / "source", tmp_path / "model")
    write(tmp_path / "source", "train.py", text="new")
    (tmp_path / "source/gone.py").unlink()

    clear_code(tmp_path / "model")
    bring(tmp_path / "source", tmp_path / "model")

    assert files_in(tmp_path / "model/code") == {"train.py": "new"}


def test_a_copy_that_came_with_an_earlier_model_is_made_anew(tmp_path: Path) -> None:
    """A script that trains on begins with the folder that an earlier job left."""
    write(tmp_path / "source", "train.py", text="old")
    bring(tmp_path / "source", tmp_path / "earlier")
    shutil.copytree(tmp_path / "earlier", tmp_path / "model")
    write(tmp_path / "source", "train.py", text="new")

    said, _ = bring(tmp_path / "source", tmp_path / "model")

    assert said == "the code is in model/code, for serve"
    assert files_in(tmp_path / "model/code") == {"train.py": "new"}


def test_a_source_with_data_stays_out_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside_model, "MAX_BYTES", 10)
    write(tmp_path / "source", "train.py", "rows.csv", text="123456")

    said, heard = bring(tmp_path / "source", tmp_path / "model")

    assert list((tmp_path / "model").iterdir()) == []
    assert said == "no code is in model/code"
    assert "it has 12 bytes, more than 10: keep data elsewhere" in heard[0]


def test_a_copy_that_cannot_be_made_is_told_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copy2", full)
    write(tmp_path / "source", "train.py")

    said, heard = bring(tmp_path / "source", tmp_path / "model")

    assert list((tmp_path / "model").iterdir()) == []
    assert said == "no code is in model/code"
    assert "No space left on device" in heard[0]
