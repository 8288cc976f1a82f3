"""Jobs as the published systems ask for them, with only the image exchanged.

Names, layouts and expressions are those of AWS's cross-validation sample, of the article on warm
pools, of the bring-your-own examples and of the built-in XGBoost.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local_test.control_plane.plane_process import RunningPlane
from tests.functional.test_siblings import IMAGE, ROLE, client, log_of, wait_for_end

BUCKET = "published"
ALIASES = (
    r"average model test score:(.*?);",
    r"average model validation score:(.*?);",
    r"average model training score:(.*?);",
    r"final-score: (.*);",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a published script says of one training job; `channels` is name → S3 prefix."""

    name: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, str]
    metrics: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None

    def request(self) -> dict[str, Any]:
        """Return the request that the SDK's generic Estimator makes of it."""
        definitions = [{"Name": name, "Regex": regex} for name, regex in self.metrics.items()]
        return {
            "TrainingJobName": self.name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": definitions,
            },
            "RoleArn": ROLE,
            "HyperParameters": dict(self.hyperparameters),
            "InputDataConfig": [self._channel(*each) for each in self.channels.items()],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
            "Environment": dict(self.environment),
        }

    def _channel(self, name: str, uri: str) -> dict[str, Any]:
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": uri,
            "S3DataDistributionType": "FullyReplicated",
        }
        said = {"ContentType": self.content_type} if self.content_type else {}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **said}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a job ended, as far as the service and S3 tell."""

    plane: RunningPlane
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.described["TrainingJobName"])

    @property
    def log(self) -> str:
        """What the job printed, as CloudWatch shows it."""
        return log_of(self.plane, self.name)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value that each metric definition found."""
        found = self.described.get("FinalMetricDataList", ())
        return {each["MetricName"]: each["Value"] for each in found}

    def captured(self, expression: str) -> list[float]:
        """Return every number that a published expression finds in the log."""
        return [float(each) for each in re.findall(expression, self.log)]

    def evaluation(self, file: str = "evaluation.json") -> dict[str, Any]:
        """Read a result file from its plain place."""
        key = f"output/{self.name}/evaluation/{file}"
        document: dict[str, Any] = json.loads(_read(self.plane, key))
        return document

    def member(self, archive: str, name: str) -> bytes:
        """Read one file of ``model.tar.gz`` or ``output.tar.gz``."""
        packed = _read(self.plane, f"output/{self.name}/output/{archive}.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            found = tar.extractfile(name)
            assert found is not None
            return found.read()

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the model."""
        document: dict[str, Any] = json.loads(self.member("model", "manifest.json"))
        return document


def create(plane: RunningPlane, *asked: Asked) -> None:
    """Create the jobs, all at once."""
    sagemaker = client(plane, "sagemaker")
    for each in asked:
        sagemaker.create_training_job(**each.request())


def ended(plane: RunningPlane, name: str) -> Answer:
    """Wait for a job's end, whichever it is."""
    return Answer(plane, wait_for_end(plane, name))


def completed(plane: RunningPlane, name: str) -> Answer:
    """Wait for a job that has to end well."""
    answer = ended(plane, name)
    reason = answer.described.get("FailureReason", "")
    assert answer.described["TrainingJobStatus"] == "Completed", f"{reason}\n{answer.log}"
    return answer


def put(plane: RunningPlane, key: str, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as a CSV file to S3."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    client(plane, "s3").put_object(Bucket=BUCKET, Key=key, Body=text.getvalue().encode())


def saved_text(values: NDArray[Any]) -> list[list[str]]:
    """Return cells as ``numpy.savetxt`` writes them, which the published preprocessing uses."""
    table = values.reshape(len(values), -1)
    return [["%.18e" % cell for cell in row] for row in table.tolist()]  # noqa: UP031


def labelled(label: NDArray[Any], features: NDArray[Any]) -> list[list[object]]:
    """Return rows with the label first."""
    return [[one, *row] for one, row in zip(label.tolist(), features.tolist(), strict=True)]


def mean(values: Iterable[float]) -> float:
    """Return the unweighted mean, as every published driver averages."""
    return float(np.mean(list(values)))


def _read(plane: RunningPlane, key: str) -> bytes:
    body: bytes = client(plane, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body
