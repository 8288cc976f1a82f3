"""What a user of boto3 writes to run and stop processing jobs; nothing in it is ours.

``python boto3_processing.py ROWS OUT`` counts the lines of ROWS, a CSV file, on two hosts, and
writes what came back to the folder OUT.
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
BUCKET = "boto3-processing"
PROGRAM = b"""
import json, pathlib, signal, sys, time
# As the first process of its container, a program that does not ask for the signal never gets it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ml = pathlib.Path("/opt/ml")
host = json.loads((ml / "config/resourceconfig.json").read_text())["current_host"]
lines = [len(path.read_text().splitlines()) for path in (ml / "processing/in").iterdir()]
(ml / "processing/out" / host).write_text(str(sum(lines)))
print(host, "has counted", flush=True)
time.sleep(float(sys.argv[1]))
"""


def main() -> int:
    """Wait for one job, stop another."""
    rows, out = map(Path, sys.argv[1:])
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    for name in ("a.csv", "b.csv", "c.csv"):
        s3.upload_file(str(rows), BUCKET, f"data/{name}")
    s3.put_object(Bucket=BUCKET, Key="code/count.py", Body=PROGRAM)
    create(sagemaker, "count-once", "0")
    create(sagemaker, "count-for-ever", "600")
    finished = sagemaker.get_waiter("processing_job_completed_or_stopped")
    finished.wait(ProcessingJobName="count-once", WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    while not has_printed("count-for-ever"):
        time.sleep(0.5)
    sagemaker.stop_processing_job(ProcessingJobName="count-for-ever")
    finished.wait(ProcessingJobName="count-for-ever", WaiterConfig={"Delay": 1, "MaxAttempts": 600})

    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains="count-",
        SortBy="Name",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 1},
    )
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="counted/")["Contents"]
    came_back = {
        "pages": [
            [job["ProcessingJobName"] for job in page["ProcessingJobSummaries"]] for page in pages
        ],
        "jobs": {
            name: sagemaker.describe_processing_job(ProcessingJobName=name)
            for name in ("count-once", "count-for-ever")
        },
        "counted": {
            each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read().decode()
            for each in listed
        },
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def create(sagemaker: Any, name: str, seconds: str) -> None:
    """Count on two hosts, each of which gets its share of the files."""
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingInputs=[taken("in", "data/", "ShardedByS3Key"), taken("code", "code/count.py")],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "counted",
                    "S3Output": {
                        "S3Uri": f"s3://{BUCKET}/counted/{name}",
                        "LocalPath": "/opt/ml/processing/out",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 2,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 10,
            }
        },
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/count.py"],
            "ContainerArguments": [seconds],
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        RoleArn=ROLE,
    )


def taken(name: str, key: str, distribution: str = "FullyReplicated") -> dict[str, Any]:
    """Return an input of a processing job."""
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": f"s3://{BUCKET}/{key}",
            "LocalPath": f"/opt/ml/processing/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": distribution,
        },
    }


def has_printed(job: str) -> bool:
    """Whether both hosts have said something."""
    logs = boto3.client("logs")
    group = "/aws/sagemaker/ProcessingJobs"
    try:
        told = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")
    except logs.exceptions.ResourceNotFoundException:
        return False
    return len(told["logStreams"]) == 2


if __name__ == "__main__":
    sys.exit(main())
