"""Tune XGBoost on 442 diabetes patients; every trial is a 3-fold cross-validation.

A script for AWS, with nothing but boto3: where AWS_ENDPOINT_URL points to a local control plane, it
runs there.  The data are bundled with scikit-learn (Efron et al. 2004): 10 measurements of each
patient, and the progression of the disease one year later.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from typing import Any
from urllib.parse import urlsplit

import boto3
from sklearn.datasets import load_diabetes

METRIC = "validation:rmse"
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
FOLDS = 3
STATIC = {
    "algorithm": "xgboost",
    "label": "progression",
    "eval_metric": "rmse,mae,r2",
    "cv_folds": str(FOLDS),
    "cv_emit": "running",  # the mean so far after each fold, so that the tuner sees progress
    "num_round": "500",
    "early_stopping_rounds": "20",
}


def main() -> None:
    """Upload, tune, wait, report."""
    given = _arguments()
    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    region = session.region_name
    bucket = given.bucket or f"sagemaker-{region}-{account}"
    role = given.role or f"arn:aws:iam::{account}:role/SageMakerExecutionRole"
    image = given.image or f"{account}.dkr.ecr.{region}.amazonaws.com/crossfold:latest"

    name = f"diabetes-{time.strftime('%y%m%d-%H%M%S')}"
    train = upload_data(session, bucket, f"{name}/train/diabetes.csv")
    sagemaker = session.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig=tuning_config(given.trials, given.parallel),
        TrainingJobDefinition=trial_definition(
            image=image,
            role=role,
            train=train,
            output=f"s3://{bucket}/{name}/output",
            launcher=given.launcher,
        ),
    )
    print(f"tuning job {name}: {given.trials} trials, at most {given.parallel} at once", flush=True)
    wait(sagemaker, name)
    report(session, name, given.save_model)


def upload_data(session: boto3.Session, bucket: str, key: str) -> str:
    """Upload the patients as one CSV file and return the address of its folder."""
    s3 = session.client("s3")
    if bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        place = {"LocationConstraint": session.region_name}
        is_default = session.region_name == "us-east-1"
        s3.create_bucket(
            Bucket=bucket, **({} if is_default else {"CreateBucketConfiguration": place})
        )
    data = load_diabetes(scaled=False)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["progression", *data.feature_names])
    writer.writerows(
        [label, *cells] for label, cells in zip(data.target, data.data.tolist(), strict=True)
    )
    s3.put_object(Bucket=bucket, Key=key, Body=text.getvalue().encode())
    return f"s3://{bucket}/{key.rpartition('/')[0]}/"


def tuning_config(trials: int, parallel: int) -> dict[str, Any]:
    """Return what is tuned, and how."""
    return {
        "Strategy": "Bayesian",
        "RandomSeed": 7,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": trials,
            "MaxParallelTrainingJobs": parallel,
        },
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {
                    "Name": "eta",
                    "MinValue": "0.01",
                    "MaxValue": "0.3",
                    "ScalingType": "Logarithmic",
                },
                {"Name": "subsample", "MinValue": "0.5", "MaxValue": "1.0"},
            ],
            "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "6"}],
        },
    }


def trial_definition(
    *, image: str, role: str, train: str, output: str, launcher: str
) -> dict[str, Any]:
    """Return what every trial has in common."""
    return {
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": METRIC, "Regex": f"{METRIC}={NUMBER};"},
                {"Name": f"{METRIC}_std", "Regex": f"{METRIC}_std={NUMBER};"},
            ],
        },
        "RoleArn": role,
        "StaticHyperParameters": {**STATIC, "cv_launcher": launcher},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": train,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def wait(sagemaker: Any, name: str) -> None:
    """Return once the tuning job has ended; stop it where this script is interrupted."""
    try:
        while _describe(sagemaker, name)["HyperParameterTuningJobStatus"] in {
            "InProgress",
            "Stopping",
        }:
            time.sleep(1)
    except KeyboardInterrupt:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        raise


def report(session: boto3.Session, name: str, save_model: str | None) -> None:
    """Print the best trial, and save its model where a file is named."""
    sagemaker = session.client("sagemaker")
    tuning = _describe(sagemaker, name)
    best = tuning.get("BestTrainingJob")
    if best is None:
        raise SystemExit(f"{tuning['HyperParameterTuningJobStatus']}, and no trial has a result")
    job = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    metrics = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    tuned = best["TunedHyperParameters"]
    print(f"{tuning['HyperParameterTuningJobStatus']}; the best trial is {job['TrainingJobName']}")
    print(f"  {', '.join(f'{name} {_short(text)}' for name, text in tuned.items())}")
    print(
        f"  {METRIC} {metrics[METRIC]:.4f} ± {metrics[f'{METRIC}_std']:.4f}, "
        f"mean ± standard deviation over {FOLDS} folds"
    )
    print(f"  model {model}")
    if save_model:
        address = urlsplit(model)
        session.client("s3").download_file(address.netloc, address.path.lstrip("/"), save_model)
        print(f"  saved as {save_model}")


def _describe(sagemaker: Any, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    return answer


def _short(text: str) -> str:
    return text if text.isdecimal() else f"{float(text):.4g}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bucket", help="default: sagemaker-REGION-ACCOUNT")
    parser.add_argument("--role", help="default: the account's role SageMakerExecutionRole")
    parser.add_argument("--image", help="default: crossfold:latest in the account's ECR")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument(
        "--launcher",
        choices=("inline", "sagemaker"),
        default="inline",
        help="fit the folds in the trial's own job, or as training jobs beside it",
    )
    parser.add_argument("--save-model", metavar="FILE", help="save the best model.tar.gz here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
