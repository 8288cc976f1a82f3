"""What AWS's PyTorch image does for a script, done with a PyTorch of a few lines.

The real one is asked in tests/functional/test_pytorch_script.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serve.request_log import RequestRecord
from serve.user_script.finding import Script
from serve.user_script.functions import Functions, load_model
from serve.user_script.model import Call, ScriptModel
from tests.conftest import ROOT

JSON = "application/json"
SCRIPT = Script(ROOT, ROOT / "inference.py")


class Tensor:
    """Numbers on a device."""

    def __init__(self, array: NDArray[Any], device: str = "cpu") -> None:
        self.array, self.device = array, device

    def float(self) -> Tensor:
        return Tensor(self.array.astype(np.float32), self.device)

    def to(self, device: str) -> Tensor:
        return Tensor(self.array, device)

    def tolist(self) -> Any:
        return self.array.tolist()


class Module:
    """Adds one to what it is called with, and remembers how."""

    def __init__(self, *, has_weights: bool = True) -> None:
        self.is_training = True
        self.had_gradients: bool | None = None
        self._has_weights = has_weights

    def parameters(self) -> Iterator[Any]:
        yield from [SimpleNamespace(device="the GPU")] if self._has_weights else []

    def eval(self) -> Module:
        self.is_training = False
        return self

    def __call__(self, rows: Tensor) -> Tensor:
        assert not self.is_training
        assert isinstance(rows, Tensor)
        self.had_gradients = GRADIENTS[0]
        return Tensor(rows.array + 1, rows.device)


GRADIENTS = [True]


@contextmanager
def _no_grad() -> Iterator[None]:
    GRADIENTS[0] = False
    try:
        yield
    finally:
        GRADIENTS[0] = True


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = ModuleType("torch")
    torch.nn = SimpleNamespace(Module=Module)
    torch.no_grad = _no_grad
    torch.from_numpy = Tensor
    monkeypatch.setitem(sys.modules, "torch", torch)


def _answer(functions: Functions, model: Any, body: bytes, content_type: str = "text/csv") -> bytes:
    record = RequestRecord()
    record.begin(len(body))
    return ScriptModel(functions, model, JSON).result(Call(body, content_type, JSON), record).body


def test_a_network_without_predict_fn_is_called_with_a_tensor_and_without_gradients() -> None:
    net = Module()
    functions = Functions(lambda _: net)

    assert load_model(SCRIPT, functions, "folder") is net
    assert _answer(functions, net, b"1,2\n3,4.5") == b"[[2.0,3.0],[4.0,5.5]]"
    assert net.had_gradients is False


@pytest.mark.parametrize(("has_weights", "device"), [(True, "the GPU"), (False, "cpu")])
def test_predict_fn_gets_a_tensor_where_the_network_is(*, has_weights: bool, device: str) -> None:
    seen: list[Any] = []

    def predict_fn(data: Any, _model: Any) -> Any:
        seen.append(data)
        return [1]

    functions = Functions(len, predict_fn=predict_fn)
    _answer(functions, Module(has_weights=has_weights), b"[[1,2]]", JSON)

    assert isinstance(seen[0], Tensor)
    assert (seen[0].array.dtype, seen[0].device) == (np.dtype(np.float32), device)


def test_what_input_fn_made_reaches_the_network_as_it_is() -> None:
    functions = Functions(len, input_fn=lambda _body, _type: Tensor(np.array([7]), "mine"))

    assert _answer(functions, Module(), b"x") == b"[8]"


def test_a_network_with_a_predict_of_its_own_is_asked_that_way() -> None:
    class Estimator(Module):
        def predict(self, rows: NDArray[Any]) -> list[float]:
            return [float(row.sum()) for row in rows]

    assert _answer(Functions(len), Estimator(), b"1,2") == b"[3.0]"
