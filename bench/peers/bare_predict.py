"""Peer: decode, the library's own predict and encode, bare in a process, one body at a time.

    python bench/peers/bare_predict.py MODEL BODY

For each line on stdin, a number of threads for XGBoost (0: as many as it likes), one line on
stdout: the seconds that decode, predict and encode took.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import xgboost


def main(model: str, body: str) -> None:
    """Answer every line."""
    from crossfold.persistence.bundle import load_bundle
    from serve.decoding.decode import decode
    from serve.encoding.encode import encode
    from serve.outputs import Output
    from serve.schema import schema_of

    manifest = load_bundle(Path(model)).manifest
    schema = schema_of(manifest)
    booster = xgboost.Booster()
    booster.load_model(Path(model) / manifest.models[0].files[0])
    content = Path(body).read_bytes()
    for line in sys.stdin:
        booster.set_param({"nthread": int(line)})
        started = perf_counter()
        features = decode("text/csv", content, schema)
        decoded = perf_counter()
        values = booster.inplace_predict(features).astype(np.float64)
        predicted = perf_counter()
        encode("text/csv", (Output("score", values),))
        ended = perf_counter()
        print(json.dumps([decoded - started, predicted - decoded, ended - predicted]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
