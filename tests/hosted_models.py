"""Model folders below ``models``, as the platform lays them out for a multi-model server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.paths import OptMl
from crossfold.persistence.bundle import save_bundle
from crossfold.persistence.manifest import Manifest
from serve.settings import Settings
from tests.unit.model_examples import COLUMNS, fitted, make_rows, make_spec

ROWS = make_rows(2)
CSV_ROW = b"0.5,1,oak,100"


@dataclass(frozen=True, slots=True)
class HostedModels:
    """A root with models; each is written once and then copied."""

    root: Path

    @property
    def settings(self) -> Settings:
        return Settings(OptMl(self.root), is_multi_model=True)

    def add(self, name: str, algorithm: str = "xgboost", num_round: int = 12) -> str:
        """Write a model; return the url that a load request says."""
        sample = self.root / "samples" / f"{algorithm}-{num_round}"
        if not sample.exists():
            manifest = Manifest(
                algorithm,
                "binary",
                COLUMNS,
                "y",
                ("no", "yes"),
                "yes",
                "float32" if algorithm == "xgboost" else "float64",
                "single",
            )
            spec = make_spec(algorithm, "binary", 2, num_round=num_round, n_threads=1)
            save_bundle(sample, manifest, [fitted(spec, ROWS.examples())])
        folder = self.root / "models" / name / "model"
        shutil.copytree(sample, folder)
        return str(folder)

    def add_damaged(self, name: str, damage: str) -> str:
        """Write a model that is not sound; return its url."""
        algorithm, _, how = damage.partition(": ")
        folder = Path(self.add(name, algorithm))
        _DAMAGES[how](folder)
        return str(folder)


HANGING = "lightgbm: a tree that bites its tail"
DAMAGES = (
    "xgboost: truncated",
    "lightgbm: truncated",
    "random_forest: truncated",
    "xgboost: child beyond the tree",
    "lightgbm: child beyond the tree",
    "xgboost: pickle in place of the model",
    "random_forest: pickle in place of the model",
    "xgboost: link to a file outside",
    "xgboost: link in place of the manifest",
    "xgboost: file name that leads out",
    "xgboost: no manifest",
    "xgboost: manifest of great depth",
    "xgboost: oversized manifest",
    "random_forest: foreign type",
)


def _truncate(folder: Path) -> None:
    path = _model_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _misplace_child(folder: Path) -> None:
    path = _model_file(folder)
    data = path.read_bytes()
    if path.suffix == ".txt":
        data = data.replace(b"left_child=1 ", b"left_child=7777777 ", 1)
        # LightGBM finds its trees by their lengths.
        data = _without_tree_sizes(data)
    else:
        # A typed array of big-endian int32: the root's child lies far behind the last node.
        at = data.index(b"left_children[$l#L") + len(b"left_children[$l#L") + 8
        data = data[:at] + (0x7FFFFF0).to_bytes(4, "big") + data[at + 4 :]
    assert data != path.read_bytes()
    path.write_bytes(data)


def _bite_tail(folder: Path) -> None:
    path = _model_file(folder)
    data = path.read_bytes()
    start = data.index(b"left_child=")
    end = data.index(b"\n", start)
    n_nodes = len(data[start:end].split(b" "))
    zeros = b" ".join([b"0"] * n_nodes)
    right = data.index(b"right_child=", end)
    right_end = data.index(b"\n", right)
    data = b"".join([data[:start], b"left_child=", zeros, data[end:right], b"right_child=", zeros])
    data += path.read_bytes()[right_end:]
    path.write_bytes(_without_tree_sizes(data))


def _without_tree_sizes(data: bytes) -> bytes:
    start = data.index(b"tree_sizes=")
    return data[:start] + data[data.index(b"\n", start) + 1 :]


def _pickle(folder: Path) -> None:
    # Protocol 4; were it unpickled, it would write a file beside the manifest.
    marker = str(folder / "unpickled").encode()
    call = b"cos\nsystem\n(Vtouch " + marker + b"\ntR."
    _model_file(folder).write_bytes(call)


def _link_out(folder: Path) -> None:
    path = _model_file(folder)
    outside = folder.parent.parent.parent / "outside.ubj"
    path.replace(outside)
    path.symlink_to(outside)


def _link_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.replace(folder / "other.json")
    path.symlink_to("other.json")


def _lead_out(folder: Path) -> None:
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8")
    changed = text.replace('"model.ubj"', '"../../../samples/xgboost-12/model.ubj"')
    assert changed != text
    path.write_text(changed, encoding="utf-8")


def _remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _nest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"[" * 1_000_000)


def _inflate(folder: Path) -> None:
    with (folder / "manifest.json").open("r+b") as file:
        file.truncate(65 * 1024 * 1024)


def _make_foreign(folder: Path) -> None:
    import skops.io

    path = _model_file(folder)
    path.write_bytes(skops.io.dumps(HostedModels(folder)))


def _model_file(folder: Path) -> Path:
    return next(path for path in sorted(folder.iterdir()) if path.name.startswith("model."))


_DAMAGES = {
    "truncated": _truncate,
    "child beyond the tree": _misplace_child,
    "a tree that bites its tail": _bite_tail,
    "pickle in place of the model": _pickle,
    "link to a file outside": _link_out,
    "link in place of the manifest": _link_manifest,
    "file name that leads out": _lead_out,
    "no manifest": _remove_manifest,
    "manifest of great depth": _nest,
    "oversized manifest": _inflate,
    "foreign type": _make_foreign,
}
