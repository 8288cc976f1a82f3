"""What a user of boto3 writes to start, list, tag and stop jobs; nothing in it is ours.

``python boto3_jobs.py ROWS OUT`` trains on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import boto3

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
BUCKET = "boto3-jobs"


def main() -> int:
    """Train twice, stop a third, and ask for all of it."""
    rows, out = map(Path, sys.argv[1:])
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(rows), BUCKET, "data/rows.csv")
    sagemaker = boto3.client("sagemaker")
    for number, rounds in enumerate((5, 6, 1_000_000)):
        create_training_job(sagemaker, f"boto3-{number}", rounds)
    finished = sagemaker.get_waiter("training_job_completed_or_stopped")
    for name in ("boto3-0", "boto3-1"):
        finished.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    while not has_printed("boto3-2"):
        time.sleep(1)
    sagemaker.stop_training_job(TrainingJobName="boto3-2")
    finished.wait(TrainingJobName="boto3-2", WaiterConfig={"Delay": 1, "MaxAttempts": 600})

    pages = list(
        sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains="boto3-",
            SortBy="Name",
            SortOrder="Descending",
            PaginationConfig={"PageSize": 2},
        )
    )
    s3.download_file(BUCKET, "output/boto3-0/output/model.tar.gz", str(out / "model.tar.gz"))
    came_back = {
        "pages": [
            [job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages
        ],
        "stopped": [
            job["TrainingJobName"]
            for job in sagemaker.list_training_jobs(StatusEquals="Stopped")["TrainingJobSummaries"]
            if job["TrainingJobName"].startswith("boto3-")
        ],
        "jobs": {name: describe(sagemaker, name) for name in ("boto3-0", "boto3-1", "boto3-2")},
        "tags": tag(sagemaker, describe(sagemaker, "boto3-0")["TrainingJobArn"]),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def create_training_job(sagemaker: Any, name: str, rounds: int) -> None:
    """Start one job on the uploaded rows."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"num_round": str(rounds), "seed": "3"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{BUCKET}/data/",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        Tags=[{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": "7"}],
    )


def describe(sagemaker: Any, name: str) -> dict[str, Any]:
    """Ask for one job."""
    described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return described


def has_printed(name: str) -> bool:
    """Ask whether a job has a log; the log group is there since earlier jobs have ended."""
    found = boto3.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )
    return bool(found["logStreams"])


def tag(sagemaker: Any, arn: str) -> list[dict[str, str]]:
    """Add a tag, replace one and delete one; return what is left."""
    added = [{"Key": "team", "Value": "blue"}, {"Key": "place", "Value": "Kraków"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=added)
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["cost"])
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return [each for page in pages for each in page["Tags"]]


if __name__ == "__main__":
    sys.exit(main())
