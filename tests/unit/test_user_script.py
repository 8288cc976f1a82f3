"""What a script may be, read, return and raise; the server around it is tested with processes."""

from __future__ import annotations

import io
import json
import math
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from werkzeug.exceptions import Conflict
from werkzeug.wrappers import Response

from crossfold.errors import UserError
from serve.refusals import Refusal
from serve.request_log import RequestRecord
from serve.settings import ScriptSettings
from serve.user_script.arrays import array_of_body
from serve.user_script.finding import Script, find_script, require_manifest
from serve.user_script.functions import Functions, import_functions, load_model
from serve.user_script.model import Call, ScriptModel
from serve.user_script.requirements import unmet_requirements
from serve.user_script.results import ResultError, encoded, result_of
from serve.user_script.thread import ScriptThread

JSON = "application/json"
NPY = "application/x-npy"
OWN_MANIFEST = '{"format": 1, "algorithm": "xgboost", "models": []}'


# ---------------------------------------------------------------------------------------- finding


def _place(model: Path, name: str, text: str = "") -> Path:
    path = model / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_inference_py_in_the_folder_code_is_the_script(tmp_path: Path) -> None:
    program = _place(tmp_path, "code/inference.py")

    assert find_script(tmp_path, ScriptSettings()) == Script(tmp_path / "code", program)


@pytest.mark.parametrize("name", ["inference.py", "code/other.py", "code/inference.py/x"])
def test_nothing_else_makes_a_script_of_a_folder(tmp_path: Path, name: str) -> None:
    _place(tmp_path, name)

    assert find_script(tmp_path, ScriptSettings()) is None


@pytest.mark.parametrize(
    ("manifest", "is_script"),
    [
        (OWN_MANIFEST, False),
        ('{"name": "a web app", "format": 1}', True),
        ("[]", True),
        ("{", True),
    ],
)
def test_a_manifest_of_ours_goes_before_a_script_and_another_program_s_does_not(
    tmp_path: Path, manifest: str, *, is_script: bool
) -> None:
    _place(tmp_path, "code/inference.py")
    _place(tmp_path, "manifest.json", manifest)

    assert (find_script(tmp_path, ScriptSettings()) is not None) == is_script
    named = ScriptSettings(program="inference.py")
    assert (find_script(tmp_path, named) is not None) == is_script


@pytest.mark.parametrize("program", ["mine.py", "mine", "inner/mine.py"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_program_is_named_from_the_folder_that_was_submitted(
    tmp_path: Path, program: str, scheme: str
) -> None:
    path = _place(tmp_path, f"submitted/{program.removesuffix('.py')}.py")
    folder = tmp_path / "submitted"

    found = find_script(tmp_path / "model", ScriptSettings(program, f"{scheme}{folder}"))

    assert found == Script(folder, path)


def test_a_folder_that_is_named_as_in_the_container_lies_below_the_root(tmp_path: Path) -> None:
    path = _place(tmp_path, "model/code/mine.py")
    settings = ScriptSettings("mine.py", "/opt/ml/model/code")

    found = find_script(tmp_path / "model", settings)

    assert found == Script(tmp_path / "model/code", path)


@pytest.mark.parametrize(
    ("program", "submitted", "fragments"),
    [
        ("absent.py", None, ["'absent.py'", "folder 'code' of model.tar.gz"]),
        ("../x.py", None, ["expected a file below SAGEMAKER_SUBMIT_DIRECTORY"]),
        ("/etc/x.py", None, ["expected a file below SAGEMAKER_SUBMIT_DIRECTORY"]),
        ("train.sh", None, ["expected a Python file that defines model_fn"]),
        (".", None, ["SAGEMAKER_PROGRAM is '.'; to serve, expected a Python file"]),
    ],
)
def test_a_program_that_is_not_there_is_refused_with_what_to_do(
    tmp_path: Path, program: str, submitted: str | None, fragments: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        find_script(tmp_path, ScriptSettings(program, submitted))

    assert all(fragment in str(caught.value) for fragment in fragments), caught.value


def test_requirements_that_are_not_installed_are_named(tmp_path: Path) -> None:
    text = "numpy>=1\n# none\n--no-index\nno_such.package[x]==1.0 ; python_version>'3'\n\nScipy\n"
    _place(tmp_path, "requirements.txt", text)

    assert unmet_requirements(tmp_path) == ("no_such.package",)
    assert unmet_requirements(tmp_path / "absent") == ()


# -------------------------------------------------------------------------------------- functions


@pytest.fixture(autouse=True)
def _python_as_it_was() -> Iterator[None]:
    path, modules, writes = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    yield
    sys.path[:] = path
    sys.dont_write_bytecode = writes
    for name in set(sys.modules) - modules:
        if name.startswith("mine_"):
            del sys.modules[name]


def _functions(tmp_path: Path, source: str) -> Functions:
    path = _place(tmp_path, f"mine_{abs(hash(source))}.py", source)
    return import_functions(Script(tmp_path, path), "folder")[0]


MODEL_FN = "def model_fn(model_dir): return None\n"


@pytest.mark.parametrize(
    ("source", "fragment"),
    [
        ("x = 1", "has no model_fn; define model_fn(model_dir)"),
        ("model_fn = 3", "model_fn of script 'mine_"),
        ("async def model_fn(model_dir): return 1", "is async; define it with a plain def"),
        ("def model_fn(): return 1", "cannot be called as model_fn(model_dir): too many"),
        (f"{MODEL_FN}def predict_fn(data, model): yield 1", "predict_fn of script"),
        (f"{MODEL_FN}def predict_fn(data, model): yield 1", "is a generator; return the whole"),
        (f"{MODEL_FN}async def output_fn(p, a): yield 1", "is async"),
        (f"{MODEL_FN}def input_fn(b, c, d, e): pass", "there may be a context, and nothing"),
        (
            f"{MODEL_FN}def transform_fn(m, b, c, a): pass\ndef output_fn(p, a): pass",
            "has transform_fn and output_fn; expected transform_fn alone",
        ),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("import no_such_package_here", "nothing is installed when serving: derive an image"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_script_that_cannot_be_called_is_refused_by_name(
    tmp_path: Path, source: str, fragment: str
) -> None:
    with pytest.raises(UserError) as caught:
        _functions(tmp_path, source)

    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parameter_with_a_default_and_a_decorator_are_no_hindrance(tmp_path: Path) -> None:
    source = (
        "import functools\n"
        "def kept(function):\n"
        "    @functools.wraps(function)\n"
        "    def inner(*a): return function(*a)\n"
        "    return inner\n"
        "@kept\n"
        "def model_fn(model_dir, context=None): return model_dir\n"
        "input_fn = None\n"
        "def execution_parameters_fn(): pass\n"
    )
    path = _place(tmp_path, "mine_kept.py", source)

    functions, ignored = import_functions(Script(tmp_path, path), "folder")

    assert functions.names() == ["model_fn"]
    assert ignored == ("execution_parameters_fn",)
    assert sys.path[0] == str(tmp_path)
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize("name", ["serve", "json", "crossfold"])
def test_a_script_may_not_be_called_as_a_module_of_the_server(tmp_path: Path, name: str) -> None:
    path = _place(tmp_path, f"{name}.py", MODEL_FN)

    with pytest.raises(UserError, match=f"has the name of module '{name}'.*rename the file"):
        import_functions(Script(tmp_path, path), "folder")


def test_a_model_that_cannot_predict_needs_a_predict_fn(tmp_path: Path) -> None:
    script = Script(tmp_path, tmp_path / "mine.py")

    with pytest.raises(UserError, match="returned dict, which has no method predict; define pred"):
        load_model(script, Functions(lambda _: {}), "folder")
    assert load_model(script, Functions(lambda f: {f}, predict_fn=max), "folder") == {"folder"}
    with pytest.raises(UserError, match="model_fn of script 'mine.py' failed: KeyboardInterrupt"):
        load_model(script, Functions(_raising(KeyboardInterrupt())), "folder")


def _raising(error: BaseException) -> Callable[..., Any]:
    def raises(*_arguments: object) -> None:
        raise error

    return raises


# ----------------------------------------------------------------------------------------- bodies


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/csv", b"1,2.5,-3e-2", [[1.0, 2.5, -0.03]]),
        ("text/csv; charset=utf-8", b"\xef\xbb\xbf1\r\n2\r\n", [[1.0], [2.0]]),
        ("text/csv", b"\n\n1,2\n\n3,4\n", [[1.0, 2.0], [3.0, 4.0]]),
        ("text/csv", b"0.1", [[0.1]]),
        (JSON, b"[1, 2, true]", [[1.0, 2.0, 1.0]]),
        (JSON, b"[[1], [2]]", [[1.0], [2.0]]),
        (JSON, b'{"instances": [[1, 2]]}', [[1.0, 2.0]]),
        (JSON, b'{"inputs": [1, 2]}', [[1.0, 2.0]]),
        (NPY, _npy(np.array([1.0, 2.0])), [[1.0, 2.0]]),
        (JSON, b"[[[1, 2], [3, 4]]]", [[[1.0, 2.0], [3.0, 4.0]]]),
        ("application/jsonlines", b"\n[1, 2]\r\n\n[3, null]", [[1.0, 2.0], [3.0, math.nan]]),
        ("application/x-ndjson", b'{"features": [1, 2]}\n', [[1.0, 2.0]]),
        ("application/x-ndjson", b" \t\n \r\n [1, 2]\n", [[1.0, 2.0]]),
        ("application/jsonlines", b"\r[1, 2]\r[3, 4]", [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
def test_bodies_become_float64_rows(content_type: str, body: bytes, expected: list[Any]) -> None:
    array = array_of_body(body, content_type, None)

    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, expected, strict=False)
    assert array.shape == np.shape(expected)


def test_a_missing_value_is_nan() -> None:
    from_csv = array_of_body(b"1,,3\n,5,6", "text/csv", None)
    from_json = array_of_body(b"[[1, null, 3], [NaN, 5, 6]]", JSON, None)

    np.testing.assert_array_equal(from_csv, [[1, np.nan, 3], [np.nan, 5, 6]])
    np.testing.assert_array_equal(from_json, from_csv)


@pytest.mark.parametrize(
    ("content_type", "body", "fragment"),
    [
        ("text/csv", b"", "no rows"),
        ("text/csv", b"\n\r\n", "no rows"),
        ("text/csv", b"1,2\n3", "line 2 has 1 value; expected 2"),
        ("text/csv", b"a,b\n1,2", "line 1, column '1': 'a' is not a number"),
        ("text/csv", b"1,\xff", "not UTF-8"),
        ("text/csv", b'1,"', "a quote never closed"),
        (JSON, b"", "not JSON"),
        (JSON, b"[[1, 2], [3]]", "row 2 has 1 value; expected 2"),
        (JSON, b"[[[1], [2, 3]]]", "nest all rows alike"),
        (JSON, b'[{"a": 1}]', "the model knows no names"),
        (JSON, b'{"a": 1}', 'expected a list of rows, or {"instances": [...]}'),
        (JSON, b'{"inputs": [1], "data": [1]}', "of no known shape"),
        (JSON, b"3", "of no known shape"),
        (JSON, b"[]", "no rows"),
        (JSON, b"[[]]", "no rows"),
        (JSON, b'[["x"]]', "'x' is not a number"),
        (JSON, b"[" * 200 + b"1" + b"]" * 200, "nest all rows alike"),
        (JSON, b"[" * 100_000, "not JSON"),
        ("application/jsonlines", b"", "no known shape; expected a list of values"),
        ("application/jsonlines", b"[1, 2]\n[3]", "line 2 has 1 value; expected 2"),
        ("application/jsonlines", b'{"a": 1}', "expected a list of values, or"),
        ("application/jsonlines", b" \n\r\n 3", "line 3"),
        ("application/jsonlines", b" \n", "no known shape"),
        ("application/jsonlines", b"[1\n", "not JSON"),
        (NPY, b"\x93NUMPY", "not an NPY file"),
        (NPY, _npy(np.ones(3))[:-1], "promises shape (3,)"),
        (NPY, _npy(np.array(["a"])), "expected numbers"),
        (NPY, _npy(np.ones((0, 3))), "no rows"),
    ],
)
def test_a_bad_body_is_refused_with_where_and_why(
    content_type: str, body: bytes, fragment: str
) -> None:
    with pytest.raises(Refusal) as caught:
        array_of_body(body, content_type, None)

    assert caught.value.status == 400
    assert fragment in caught.value.message


def test_no_body_is_unpickled() -> None:
    """AWS's scikit-learn container runs what this array says."""

    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return pytest.fail, ("a body was unpickled",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Hostile()], dtype=object), allow_pickle=True)

    for body in (buffer.getvalue(), pickle.dumps(Hostile())):
        with pytest.raises(Refusal, match="NPY|dtype"):
            array_of_body(body, NPY, None)


def test_a_model_that_says_how_many_features_it_has_is_asked_no_others() -> None:
    for content_type, body in (
        ("text/csv", b"1,2"),
        (JSON, b"[[1, 2]]"),
        (NPY, _npy(np.ones((5, 2)))),
    ):
        with pytest.raises(Refusal, match="expected 3|expects 3"):
            array_of_body(body, content_type, 3)
        assert array_of_body(body, content_type, 2).shape[1] == 2


def test_an_unknown_type_is_415_and_lists_the_known() -> None:
    with pytest.raises(Refusal, match="text/csv, application/json, application/x-npy") as caught:
        array_of_body(b"x", "image/png", None)

    assert caught.value.status == 415


_TABLES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 4)),
    elements=st.floats(-1e30, 1e30, width=64),
)


@settings(max_examples=50, deadline=None)
@given(_TABLES)
def test_every_format_gives_back_the_very_numbers_in_and_out(table: NDArray[np.float64]) -> None:
    text = "\n".join(",".join(map(repr, row)) for row in table.tolist()).encode()

    for content_type, body in (
        ("text/csv", text),
        (JSON, json.dumps(table.tolist()).encode()),
        (NPY, _npy(table)),
        ("text/csv", encoded(table, "text/csv").body),
        (JSON, encoded(table, JSON).body),
        (NPY, encoded(table, NPY).body),
    ):
        np.testing.assert_array_equal(array_of_body(body, content_type, None), table)


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        arrays.scalar_dtypes().filter(lambda dtype: dtype.kind in "fiub" and dtype.itemsize <= 8),
        arrays.array_shapes(min_dims=2, max_dims=4, max_side=3),
    ),
    st.sampled_from("CF"),
)
def test_an_npy_body_of_numbers_is_the_array_that_numpy_loads(
    array: NDArray[Any], order: Any
) -> None:
    body = _npy(np.asarray(array, order=order))

    read = array_of_body(body, NPY, None)

    np.testing.assert_array_equal(read, np.load(io.BytesIO(body)))
    assert read.dtype == array.dtype


# ---------------------------------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("value", "csv", "as_json"),
    [
        (np.array([0, 2, 1]), b"0\n2\n1", b"[0,2,1]"),
        (np.array([0.1, np.nan]), b'0.1\n""', b"[0.1,null]"),
        (
            np.array([[0.25, 1], [2, 3]], np.float32),
            b"0.25,1.0\n2.0,3.0",
            b"[[0.25,1.0],[2.0,3.0]]",
        ),
        (np.array(["a", 'b"c', "d,e", ""]), b'a\n"b""c"\n"d,e"\n""', b'["a","b\\"c","d,e",""]'),
        (np.array([True, False]), b"true\nfalse", b"[true,false]"),
        (np.array([[1, 2], [3, 4]])[:, ::-1], b"2,1\n4,3", b"[[2,1],[4,3]]"),
        ([1, 2.5], b"1.0\n2.5", b"[1,2.5]"),
        ([["é", 1]], "é,1".encode(), '[["é",1]]'.encode()),
        (3.5, b"3.5", b"3.5"),
        ([], b"", b"[]"),
    ],
)
def test_predictions_are_written_row_by_row(value: Any, csv: bytes, as_json: bytes) -> None:
    assert encoded(value, "text/csv").body == csv
    assert encoded(value, JSON).body == as_json


def test_predictions_in_other_types() -> None:
    array = np.array([[1, 2], [3, 4]])

    lines = encoded(array, "application/x-ndjson")

    assert (lines.body, lines.content_type) == (b"[1,2]\n[3,4]", "application/x-ndjson")
    loaded = np.load(io.BytesIO(encoded(array, NPY).body))
    assert (loaded.tolist(), loaded.dtype) == (array.tolist(), array.dtype)
    # AWS's containers keep a single number one.
    assert np.load(io.BytesIO(encoded(np.float32(0.5), NPY).body)).shape == ()
    assert encoded({"a": np.float32(0.5), 1: {2}}, JSON).body == b'{"a":0.5,"1":[2]}'


class Tensor:
    """Knows as little of NumPy as one of PyTorch that wants a gradient."""

    def tolist(self) -> list[float]:
        return [1.5, 2.5]

    def __array__(self, *_arguments: object) -> None:
        message = "call detach first"
        raise RuntimeError(message)


def test_a_tensor_is_written_as_its_list() -> None:
    assert encoded(Tensor(), "text/csv").body == b"1.5\n2.5"
    assert encoded({"scores": Tensor()}, JSON).body == b'{"scores":[1.5,2.5]}'


@pytest.mark.parametrize(
    ("value", "media_type", "fragment"),
    [
        (object(), JSON, "not JSON serializable: object"),
        (object(), "text/csv", "object is no list"),
        (np.ones((2, 2, 2)), "text/csv", "shape (2, 2, 2) is no table"),
        ([{"a": 1}], "text/csv", "no table"),
        ([[1, 2], [3]], "text/csv", "the rows differ in length"),
        ([{"a": 1}], NPY, "no table"),
        (np.array([None, 1], dtype=object), NPY, "without pickle"),
        (2**70, JSON, "cannot be written as JSON"),
    ],
)
def test_what_a_type_cannot_hold_is_the_script_s_mistake(
    value: Any, media_type: str, fragment: str
) -> None:
    with pytest.raises(ResultError) as caught:
        encoded(value, media_type)

    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "accept", "expected"),
    [
        ("é", JSON, ("é".encode(), JSON, 200)),
        (b"\xff", "image/png", (b"\xff", "image/png", 200)),
        (bytearray(b"x"), "text/csv, application/json;q=0.5", (b"x", "text/csv", 200)),
        (memoryview(b"x"), "text/*", (b"x", "text/x-default", 200)),
        ("x", ";", (b"x", "text/x-default", 200)),
        (("x", "text/html; charset=utf-8"), JSON, (b"x", "text/html; charset=utf-8", 200)),
        (({"a": 1}, "application/hal+json"), JSON, (b'{"a":1}', "application/hal+json", 200)),
        (([1, 2], "text/csv"), JSON, (b"1\n2", "text/csv", 200)),
        ({"a": (1, 2)}, JSON, (b'{"a":[1,2]}', JSON, 200)),
        ((1, 2), JSON, (b"[1,2]", JSON, 200)),
        ([1, 2], "application/x-npy;q=0.1, text/csv", (b"1\n2", "text/csv; charset=utf-8", 200)),
        (Response("no", 404, content_type="text/plain"), JSON, (b"no", "text/plain", 404)),
    ],
)
def test_functions_may_return_what_aws_s_may_and_more(
    returned: Any, accept: str, expected: tuple[bytes, str, int]
) -> None:
    result = result_of(returned, accept, "text/x-default")

    assert (result.body, result.content_type, result.status) == expected


@pytest.mark.parametrize(
    ("returned", "fragment"),
    [
        (None, "None was returned"),
        ((None, JSON), "None was returned"),
        ((n for n in (1, 2)), "a coroutine or generator"),
        (("x", "text/html\r\nSet-Cookie: a"), "not plain text"),
        (({}, "text/html"), "dict as text/html"),
        (Response("", 299), "status 299"),
    ],
)
def test_what_cannot_be_sent_is_said(returned: Any, fragment: str) -> None:
    with pytest.raises(ResultError, match=fragment):
        result_of(returned, JSON, JSON)


def test_a_value_that_cannot_be_written_as_asked_is_406() -> None:
    with pytest.raises(Refusal) as caught:
        result_of([1], "image/png", JSON)

    assert caught.value.status == 406


# ----------------------------------------------------------------------------------------- errors


class UnsupportedFormatError(Exception):
    """Called as in AWS's toolkits."""


class QuotaError(Exception):
    """As ``BaseInferenceToolkitError`` of AWS's toolkit has it."""

    def __init__(self, status_code: object, message: str) -> None:
        super().__init__(status_code, message)
        self.status_code = status_code
        self.message = message


def _refused(step: str, error: BaseException) -> Refusal:
    steps: dict[str, Any] = {
        "input_fn": lambda body, _: body,
        "predict_fn": lambda data, _: data,
        "output_fn": lambda prediction, _: prediction,
    }
    if step == "transform_fn":
        steps = {}
    functions = Functions(lambda _: None, **(steps | {step: _raising(error)}))
    model = ScriptModel(functions, None, JSON)
    record = RequestRecord()
    record.begin(1)
    with pytest.raises(Refusal) as caught:
        model.result(Call(b"1", "text/csv", JSON), record)
    return caught.value


@pytest.mark.parametrize(
    ("step", "error", "status", "message"),
    [
        ("input_fn", ValueError("line 3 is odd"), 400, "the body cannot be read: line 3 is odd"),
        ("input_fn", UnsupportedFormatError("no x"), 415, "no x"),
        ("transform_fn", UnsupportedFormatError("no x"), 415, "no x"),
        ("output_fn", UnsupportedFormatError("no x"), 406, "no x"),
        ("predict_fn", QuotaError(429, "later"), 429, "later"),
        ("predict_fn", QuotaError(503, "see /opt/ml/model/x.txt"), 503, "see …"),
        ("predict_fn", Conflict("not\nnow"), 409, "not now"),
        ("predict_fn", Refusal(400, "ours"), 400, "ours"),
    ],
)
def test_an_exception_may_say_its_status(
    step: str, error: BaseException, status: int, message: str
) -> None:
    refusal = _refused(step, error)

    assert (refusal.status, refusal.message) == (status, message)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("predict_fn", ValueError("secret")),
        ("output_fn", ValueError("secret")),
        ("transform_fn", ValueError("secret")),
        ("input_fn", KeyError("secret")),
        ("predict_fn", QuotaError(200, "secret")),
        ("predict_fn", QuotaError("429", "secret")),
        ("predict_fn", QuotaError(799, "secret")),
        ("predict_fn", SystemExit(0)),
        ("predict_fn", KeyboardInterrupt()),
    ],
)
def test_any_other_exception_is_500_by_name_alone(
    step: str, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal = _refused(step, error)

    assert refusal.status == 500
    assert refusal.message == (
        f"{step} of the model's script failed with {type(error).__name__}; the log says why under "
        "this request_id"
    )
    assert '"event":"traceback"' in capfd.readouterr().out


def test_memory_that_runs_out_is_not_the_scripts_failure() -> None:
    model = ScriptModel(Functions(len, predict_fn=_raising(MemoryError())), None, JSON)
    record = RequestRecord()
    record.begin(1)

    with pytest.raises(MemoryError):
        model.result(Call(b"1", "text/csv", JSON), record)


# ----------------------------------------------------------------------------------------- thread


def _started(timeout_s: float, given_up: list[int]) -> ScriptThread:
    thread = ScriptThread(timeout_s, lambda: given_up.append(1))
    thread.start()
    return thread


def test_calls_run_one_after_the_other_on_one_thread_and_give_what_they_made() -> None:
    thread = _started(30, [])
    seen = [thread.run(threading.get_ident) for _ in range(3)]

    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)
    with pytest.raises(SystemExit):
        thread.run(sys.exit)
    assert thread.run(lambda: 7) == 7


def test_a_beginning_may_take_longer_than_a_call() -> None:
    thread = _started(0.001, [])

    assert thread.begin(lambda: threading.Event().wait(0.01)) is False
    assert not thread.is_stuck
    with pytest.raises(ZeroDivisionError):
        thread.begin(lambda: 1 // 0)


class Told(Exception):
    """A signal has come."""


def test_a_signal_that_another_thread_takes_ends_the_wait_for_a_beginning() -> None:
    thread, over, done = _started(30, []), threading.Event(), threading.Event()
    was_left: list[bool] = []

    def load() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        was_left.append(over.wait(30))
        done.set()

    def tell(*_: object) -> None:
        raise Told

    before = signal.signal(signal.SIGUSR1, tell)
    try:
        with pytest.raises(Told):
            thread.begin(load)
    finally:
        signal.signal(signal.SIGUSR1, before)
        over.set()
    assert done.wait(60)
    assert was_left == [True]


def test_a_call_that_hangs_frees_all_who_wait_and_is_given_up_once() -> None:
    given_up: list[int] = []
    thread, over, begun = _started(30, given_up), threading.Event(), threading.Event()
    # Its turn comes in time, also where the machine is busy: the thread waits for it by now.
    thread.run(lambda: None)
    thread._timeout_s = 0.5
    statuses: list[int] = []

    def hang() -> None:
        begun.set()
        over.wait(30)

    def ask(work: Callable[[], object]) -> None:
        try:
            thread.run(work)
        except Refusal as refusal:
            statuses.append(refusal.status)

    first = threading.Thread(target=ask, args=(hang,))
    first.start()
    begun.wait(30)
    others = [threading.Thread(target=ask, args=(lambda: None,)) for _ in range(3)]
    for other in others:
        other.start()
    for each in (first, *others):
        each.join(30)

    assert sorted(statuses) == [503, 503, 503, 504]
    assert (given_up, thread.is_stuck) == ([1], True)
    with pytest.raises(Refusal, match="hangs in an earlier request"):
        thread.run(lambda: None)
    over.set()


def test_a_call_that_had_no_turn_in_time_is_dropped_and_never_run() -> None:
    given_up: list[int] = []
    thread, over, begun = _started(30, given_up), threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return over.wait(30)

    holder = threading.Thread(target=thread.run, args=(hold,))
    holder.start()
    begun.wait(30)
    thread._timeout_s = 0.01
    ran: list[int] = []

    with pytest.raises(Refusal, match="was busy with other requests") as caught:
        thread.run(lambda: ran.append(1))

    over.set()
    holder.join(30)
    assert caught.value.status == 503
    assert thread.run(lambda: 1) == 1
    assert (ran, given_up) == ([], [])


# ------------------------------------------------------------------- as AWS's containers have it


def test_code_of_the_image_serves_where_the_model_brings_none(tmp_path: Path) -> None:
    """As AWS's README has it: ``COPY inference.py /opt/ml/code/``, ``ENV SAGEMAKER_PROGRAM``."""
    model = tmp_path / "model"
    program = _place(tmp_path, "code/mine.py")
    _place(model, "model.joblib")

    found = find_script(model, ScriptSettings("mine.py"))
    own = _place(model, "code/mine.py")

    assert found == Script(tmp_path / "code", program)
    assert find_script(model, ScriptSettings("mine.py")) == Script(model / "code", own)
    assert find_script(model, ScriptSettings("mine.py", str(tmp_path / "code"))) == found


def test_a_folder_with_neither_a_model_of_ours_nor_a_script_says_what_to_put_there(
    tmp_path: Path,
) -> None:
    _place(tmp_path, "model.joblib")

    with pytest.raises(
        UserError, match="has no 'manifest.json' and no 'code/inference.py'.*model_"
    ):
        require_manifest(tmp_path)

    _place(tmp_path, "manifest.json", "damaged")
    require_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "unmet"),
    [
        (
            "git+https://example.com/pack.git@v1\nhttps://example.com/x.whl\n./x.whl\n-r other.txt",
            (),
        ),
        ("no_such; sys_platform == 'win32'", ()),
        ("no_such; sys_platform != 'win32'", ("no_such",)),
        ("no_such[extra] ~= 1.0  # why\nnumpy", ("no_such",)),
        ("no_such @ https://example.com/no_such.whl", ("no_such",)),
    ],
)
def test_only_what_is_asked_for_here_by_name_can_be_unmet(
    tmp_path: Path, text: str, unmet: tuple[str, ...]
) -> None:
    _place(tmp_path, "requirements.txt", text)

    assert unmet_requirements(tmp_path) == unmet


def test_a_class_that_was_pickled_by_the_running_script_is_explained(tmp_path: Path) -> None:
    def model_fn(_folder: str) -> Any:
        return pickle.loads(b"c__main__\nModel\n)\x81.")  # noqa: S301 - what a script would do

    with pytest.raises(UserError) as caught:
        load_model(Script(tmp_path, tmp_path / "mine.py"), Functions(model_fn), "folder")

    assert "AttributeError: Can't get attribute 'Model'" in str(caught.value)
    assert "define the class in a module of its own, import it in the script" in str(caught.value)


def test_a_function_that_asks_for_a_context_gets_one(tmp_path: Path) -> None:
    """AWS's PyTorch image passes one where there is a place for it."""
    functions = _functions(
        tmp_path,
        "def model_fn(model_dir, context): return context.system_properties\n"
        "def input_fn(body, content_type, context=None): return context\n"
        "def predict_fn(data, model, *, factor=2): return factor\n"
        "def output_fn(prediction, accept, extra=None): return extra\n",
    )
    assert functions.input_fn is not None
    assert functions.predict_fn is not None
    assert functions.output_fn is not None

    assert functions.model_fn("folder") == {"model_dir": "folder", "gpu_id": None, "batch_size": 1}
    assert functions.input_fn("b", "c").system_properties["model_dir"] == "folder"
    assert functions.predict_fn("d", "m") == 2
    assert functions.output_fn("p", "a") is None


def test_a_response_keeps_the_attributes_that_sagemaker_passes_on() -> None:
    name = "X-Amzn-SageMaker-Custom-Attributes"
    told = Response("x", headers={name: "model=3", "X-Other": "1"})
    split = Response("x")
    split.headers.extend([(name, "a"), (name, "b")])

    assert result_of(told, JSON, JSON).attributes == "model=3"
    assert result_of(split, JSON, JSON).attributes == "a"
    assert result_of(Response("x"), JSON, JSON).attributes is None
    with pytest.raises(ResultError, match="custom attributes"):
        result_of(Response("x", headers={name: "é"}), JSON, JSON)


def test_what_fails_while_a_value_is_written_is_the_script_s_failure_by_name() -> None:
    class Lazy:
        def tolist(self) -> Any:
            raise KeyError("secret")

    def lines() -> Iterator[bytes]:
        yield b"1"
        raise KeyError("secret")

    for functions in (
        Functions(len, predict_fn=lambda _d, _m: Lazy()),
        Functions(len, transform_fn=lambda *_: Response(lines())),
    ):
        record = RequestRecord()
        record.begin(1)
        with pytest.raises(Refusal) as caught:
            ScriptModel(functions, None, JSON).result(Call(b"1", "text/csv", "text/csv"), record)
        assert caught.value.status == 500
        assert "of the model's script failed with KeyError" in caught.value.message


@pytest.mark.parametrize(("array", "n_rows"), [(np.zeros((3, 2)), 3), (np.zeros(2), 1)])
def test_the_rows_of_a_body_are_counted_for_the_log(array: NDArray[Any], n_rows: int) -> None:
    record = RequestRecord()
    functions = Functions(len, predict_fn=lambda _data, _model: "x", output_fn=lambda p, _a: p)

    ScriptModel(functions, None, JSON).result(Call(_npy(array), NPY, JSON), record)

    assert record.n_rows == n_rows


def test_a_body_of_one_bare_number_has_no_rows_and_is_answered() -> None:
    functions = Functions(len, predict_fn=lambda data, _model: float(data))
    record = RequestRecord()

    result = ScriptModel(functions, None, JSON).result(Call(_npy(np.array(3.0)), NPY, JSON), record)

    assert (result.body, record.n_rows) == (b"3.0", 0)


def test_what_a_script_does_before_and_after_its_model_is_loaded_is_done(tmp_path: Path) -> None:
    done: list[object] = []

    def model_fn(folder: str) -> str:
        done.append(folder)
        return "model"

    functions = Functions(
        model_fn,
        predict_fn=max,
        pre_model_fn=lambda folder: done.append(f"before {folder}"),
        model_warmup_fn=lambda folder, model: done.append((folder, model)),
    )
    script = Script(tmp_path, tmp_path / "mine.py")

    assert load_model(script, functions, "folder") == "model"
    assert done == ["before folder", "folder", ("folder", "model")]
    cold = Functions(len, predict_fn=max, model_warmup_fn=_raising(KeyError("no row")))
    with pytest.raises(UserError, match="model_warmup_fn of script 'mine.py' failed: KeyError"):
        load_model(script, cold, "folder")
