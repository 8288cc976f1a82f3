"""What a user of SDK v2 writes, with a mistake in it; nothing in it is ours.

``python sdk2_failure.py ROWS OUT`` trains on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def main() -> int:
    """Fit with a learning rate that is a word, and keep what the SDK says."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-failure/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-failure/output",
        hyperparameters={"eta": "fast"},
        sagemaker_session=session,
    )
    came_back = {"error": "none"}
    try:
        estimator.fit({"train": TrainingInput(train, content_type="text/csv")}, logs="None")
    except UnexpectedStatusException as error:
        came_back = {"error": str(error), "status": error.actual_status}
    (out / "came_back.json").write_text(json.dumps(came_back), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
