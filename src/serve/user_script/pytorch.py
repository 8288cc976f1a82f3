"""What a PyTorch network gets whose script leaves reading or predicting to us.

PyTorch is the script's: it is never imported here, only met.

Source: aws/sagemaker-pytorch-inference-toolkit, ``default_pytorch_inference_handler.py``.
"""

from __future__ import annotations

import sys
from typing import Any

from numpy.typing import NDArray


def is_network(model: object) -> bool:
    """Say whether a model is one that is called with a tensor: it has no ``predict`` of its own."""
    torch = sys.modules.get("torch")
    if torch is None or callable(getattr(model, "predict", None)):
        return False
    return isinstance(model, torch.nn.Module)


def tensor_of(rows: NDArray[Any], network: Any, *, is_text: bool) -> Any:
    """Turn rows into a tensor where the network is: float32, or as NPY had it.

    Raises
    ------
    TypeError, ValueError
        PyTorch has no such numbers, or none in that order of bytes.
    """
    # A tensor shares the array's memory, and warns of memory that it may not write to.
    tensor = sys.modules["torch"].from_numpy(rows if rows.flags.writeable else rows.copy())
    if is_text:
        tensor = tensor.float()
    weights = next(iter(network.parameters()), None)
    return tensor if weights is None else tensor.to(weights.device)


def call_network(network: Any, data: Any) -> Any:
    """Call a network to predict, not to learn."""
    network.eval()
    with sys.modules["torch"].no_grad():
        return network(data)
