"""A network as SageMaker's PyTorch image trains and serves it, and an image of ours does.

    Estimator(image_uri=…, entry_point="net.py", source_dir="local_test/pytorch_script",
              hyperparameters={"epochs": 40, "hidden": 16, "cv_folds": 5, "label": 0}, …)

The Dockerfile beside it makes the image.  Each CSV file has numbers and no header; the first column
is the class, 0 or 1.  What scales the columns is learnt from the rows that are fitted, and lies in
the model.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FILE_NAME = "net.pt"


class Net(nn.Module):  # type: ignore[misc] # types are checked where there is no torch
    """Scales its columns, then one hidden layer; gives a logit for each row.

    Parameters
    ----------
    n_columns, n_hidden : int
    """

    def __init__(self, n_columns: int, n_hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("scale", torch.ones(n_columns))
        self.layers = nn.Sequential(
            nn.Linear(n_columns, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the logits of rows, of shape (n_rows,)."""
        logits: torch.Tensor = self.layers((rows - self.mean) / self.scale)
        return logits.squeeze(1)


def model_fn(model_dir: str) -> Net:
    """Load the network for serving."""
    saved = torch.load(Path(model_dir) / FILE_NAME, weights_only=True)
    net = Net(saved["n_columns"], saved["n_hidden"])
    net.load_state_dict(saved["state"])
    net.eval()
    return net


def predict_fn(data: Any, model: Net) -> Any:
    """Return the probability of class 1 for each row; `serve` reads and writes the bodies."""
    return _probabilities(model, torch.as_tensor(data, dtype=torch.float32)).numpy()


def main() -> None:
    """Fit on channel ``train``, score on ``validation`` where there is one, save the network."""
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    rows, labels = _read(arguments.train)
    net = _fit(rows, labels, arguments)
    print(f"train:logloss={_logloss(net, rows, labels)};")
    if arguments.validation:
        held_out, truth = _read(arguments.validation)
        print(f"validation:accuracy={_accuracy(net, held_out, truth)};")
        print(f"validation:logloss={_logloss(net, held_out, truth)};")
        _write_predictions(net, held_out, truth, Path(arguments.output_data_dir))
    size = {"n_columns": rows.shape[1], "n_hidden": arguments.hidden}
    torch.save({**size, "state": net.state_dict()}, Path(arguments.model_dir) / FILE_NAME)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--output-data-dir", default=os.environ.get("SM_OUTPUT_DATA_DIR"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    # The columns' names are the driver's, and under a tuning job there may be more.
    return parser.parse_known_args()[0]


def _read(folder: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and classes of every CSV file."""
    files = sorted(Path(folder).rglob("*.csv"))
    table = np.vstack([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    rows = torch.as_tensor(table, dtype=torch.float32)
    return rows[:, 1:], rows[:, 0]


def _fit(rows: torch.Tensor, labels: torch.Tensor, arguments: argparse.Namespace) -> Net:
    net = Net(rows.shape[1], arguments.hidden)
    net.mean.copy_(rows.mean(0))
    net.scale.copy_(rows.std(0).clamp_min(1e-6))
    optimizer = torch.optim.Adam(net.parameters(), lr=arguments.learning_rate)
    loss_of = nn.BCEWithLogitsLoss()
    for _ in range(arguments.epochs):
        for batch in torch.randperm(len(rows)).split(arguments.batch_size):
            optimizer.zero_grad()
            loss_of(net(rows[batch]), labels[batch]).backward()
            optimizer.step()
    net.eval()
    return net


def _probabilities(net: Net, rows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.sigmoid(net(rows))


def _accuracy(net: Net, rows: torch.Tensor, labels: torch.Tensor) -> float:
    return float(((_probabilities(net, rows) > 0.5) == labels.bool()).double().mean())


def _logloss(net: Net, rows: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float(nn.functional.binary_cross_entropy_with_logits(net(rows), labels))


def _write_predictions(net: Net, rows: torch.Tensor, labels: torch.Tensor, folder: Path) -> None:
    """Write what the driver collects, in the order of the rows."""
    with (folder / "oof_predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "probability"])
        probabilities = _probabilities(net, rows).tolist()
        writer.writerows(zip(labels.int().tolist(), probabilities, strict=True))


if __name__ == "__main__":
    main()
