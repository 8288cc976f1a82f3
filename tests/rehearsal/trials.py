"""What S3 and the logs hold of a job, read without a line of the plane or of the driver."""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.local_mode.sdk import unpacked
from tests.rehearsal.plane_process import RunningPlane
from tests.served_native import Native

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


@dataclass(frozen=True, slots=True)
class Trial:
    """One job of cross-validation, by its name."""

    name: str
    plane: RunningPlane

    def printed(self, metric: str) -> float:
        """Return the last value of the lines ``<metric>=<value>;`` in the log."""
        lines = log_lines(self.plane, self.name)
        found = [
            float(match[1])
            for line in lines
            if (match := re.fullmatch(f"{re.escape(metric)}={_NUMBER};", line))
        ]
        assert found, f"no {metric} in {lines}"
        return found[-1]

    def results(self) -> dict[str, Any]:
        """Return the document cv_results.json."""
        document: dict[str, Any] = json.loads(self._output("cv_results.json"))
        return document

    def from_folds(self) -> float:
        """Return the mean of the folds' validation RMSE in cv_results.json."""
        document = self.results()
        return float(np.mean([fold["validation"]["rmse"] for fold in document["folds"]]))

    def from_rows(self) -> float:
        """Return the mean over the folds of the RMSE of the rows that each has held out."""
        errors: dict[str, list[float]] = defaultdict(list)
        for row in csv.DictReader(io.StringIO(self._output("oof_predictions.csv"))):
            errors[row["fold"]].append(float(row["label"]) - float(row["prediction"]))
        assert sum(map(len, errors.values())) == 200
        return float(np.mean([np.sqrt(np.mean(np.square(each))) for each in errors.values()]))

    def _output(self, name: str) -> str:
        described = self.plane.client("sagemaker").describe_training_job(TrainingJobName=self.name)
        root = described["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://")
        bucket, _, prefix = root.partition("/")
        archive = self.plane.client("s3").get_object(
            Bucket=bucket, Key=f"{prefix}/{self.name}/output/output.tar.gz"
        )
        with tarfile.open(fileobj=io.BytesIO(archive["Body"].read())) as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read().decode()


def log_lines(plane: RunningPlane, job: str) -> list[str]:
    """Return what the job's containers printed, from CloudWatch."""
    logs = plane.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")
    names = [stream["logStreamName"] for stream in streams["logStreams"]]
    assert len(names) == 1, names
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNames=names
    )
    return [event["message"] for page in pages for event in page["events"]]


def model_of(folder: Path) -> Native:
    """Unpack the downloaded model.tar.gz and let XGBoost read it."""
    return Native(unpacked(folder / "model.tar.gz", folder / "model"))


def rmse(model: Native, rows: list[list[Any]]) -> float:
    """Return the error of the model's own predictions; the label is the first column."""
    table = np.array(rows, dtype=np.float64)
    predicted = np.array(model.scores(table[:, 1:]))
    return float(np.sqrt(np.mean(np.square(predicted - table[:, 0]))))
