"""What a user of SDK v2 writes to run an image on the own machine; nothing in it is ours.

``python sdk2.py JOB`` reads JOB, a JSON file, and writes what came back beside it, to ``JOB.out``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker.deserializers import BytesDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer


def main() -> int:
    """Fit; then deploy and call, and transform, where the job says so."""
    path = Path(sys.argv[1])
    job = json.loads(path.read_text(encoding="utf-8"))
    estimator = _fit(job)
    came_back: dict[str, str] = {"model_data": estimator.model_data}
    if "body" in job:
        came_back["answer"] = _call(estimator, job["body"])
    if "batch" in job:
        _transform(estimator, job["batch"], job["batch_output"])
    path.with_suffix(".out").write_text(json.dumps(came_back), encoding="utf-8")
    return 0


def _fit(job: dict[str, Any]) -> Any:
    session = LocalSession()
    session.config = {
        "local": {"container_root": job["container_root"], "serving_port": job["serving_port"]}
    }
    estimator = Estimator(
        image_uri=job["image"],
        role=job["role"],
        instance_count=job["instance_count"],
        instance_type="local",
        output_path=job["output"],
        hyperparameters=job["hyperparameters"],
        sagemaker_session=session,
    )
    channels = {
        name: TrainingInput(uri, content_type="text/csv") for name, uri in job["channels"].items()
    }
    estimator.fit(channels)
    return estimator


def _call(estimator: Any, body: str) -> str:
    predictor = estimator.deploy(
        initial_instance_count=1,
        instance_type="local",
        serializer=CSVSerializer(),
        deserializer=BytesDeserializer(),
        wait=False,  # local mode has waited already; the SDK would sleep 30 s before it asks
    )
    try:
        answer: bytes = predictor.predict(body)
        return answer.decode()
    finally:
        predictor.delete_endpoint()


def _transform(estimator: Any, batch: str, output: str) -> None:
    transformer = estimator.transformer(
        instance_count=1,
        instance_type="local",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=output,
    )
    # The logs of a transform job are asked of CloudWatch, in local mode too.
    transformer.transform(batch, content_type="text/csv", split_type="Line", logs=False)


if __name__ == "__main__":
    sys.exit(main())
