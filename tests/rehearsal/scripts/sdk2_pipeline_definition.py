"""What a user of SDK v2 writes to let a pipeline decide by a cross-validation; nothing is ours.

``python sdk2_pipeline_definition.py ROWS OUT`` uploads ROWS, a CSV file, and writes the pipeline's
definition to the folder OUT.  Nothing is created or started.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import Step, TrainingStep, TuningStep

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:rmse"
REGEX = r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"
EVALUATION = "evaluation/evaluation.json"
RMSE = "regression_metrics.rmse.value"


def main() -> int:
    """Define two steps that cross-validate, and for each what is registered if it is good."""
    rows, out = map(Path, sys.argv[1:])
    session = PipelineSession()
    train = session.upload_data(str(rows), key_prefix="sdk2-pipeline/data")
    inputs = {"train": TrainingInput(train, content_type="text/csv")}
    bucket, prefix = session.default_bucket(), "sdk2-pipeline/output"
    limit = ParameterFloat("BaselineModelObjectiveValue", default_value=70.0)

    validate = TrainingStep("CrossValidate", step_args=make_estimator(session, prefix).fit(inputs))
    done = validate.properties
    validated = Join("/", [done.OutputDataConfig.S3OutputPath, done.TrainingJobName, EVALUATION])

    tuner = HyperparameterTuner(
        make_estimator(session, prefix),
        OBJECTIVE,
        {"eta": ContinuousParameter(0.05, 0.5)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tune = TuningStep("Tune", step_args=tuner.fit(inputs))
    best = tune.properties.BestTrainingJob.TrainingJobName
    tuned = Join("/", [f"s3://{bucket}/{prefix}", best, EVALUATION])

    best_model = tune.get_top_model_s3_uri(0, bucket, prefix)
    model = done.ModelArtifacts.S3ModelArtifacts
    steps = [
        make_condition(session, limit, validate, validated, model),
        make_condition(session, limit, tune, tuned, best_model),
    ]
    pipeline = Pipeline(
        name="CrossValidationTrainingPipeline",
        parameters=[limit],
        steps=[validate, tune, *steps],
        sagemaker_session=session,
    )
    came_back = {"definition": pipeline.definition()}
    (out / "came_back.json").write_text(json.dumps(came_back), encoding="utf-8")
    return 0


def make_estimator(session: PipelineSession, prefix: str) -> Estimator:
    """Say what one cross-validated training is."""
    return Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/{prefix}",
        hyperparameters={"cv_folds": 3, "num_round": 5},
        sagemaker_session=session,
    )


def make_condition(
    session: PipelineSession, limit: ParameterFloat, step: Step, evaluation: Join, model_data: Any
) -> ConditionStep:
    """Register the model whose evaluation is good enough; its metrics are that evaluation."""
    statistics = MetricsSource(content_type="application/json", s3_uri=evaluation)
    model = Model(image_uri=IMAGE, model_data=model_data, role=ROLE, sagemaker_session=session)
    registered = model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium"],
        transform_instances=["ml.m5.xlarge"],
        model_package_group_name="CrossValidatedModel",
        model_metrics=ModelMetrics(model_statistics=statistics),
    )
    score = JsonGet(step_name=step.name, s3_uri=evaluation, json_path=RMSE)
    return ConditionStep(
        f"Evaluate{step.name}",
        conditions=[ConditionLessThanOrEqualTo(left=score, right=limit)],
        if_steps=[ModelStep(f"Register{step.name}", step_args=registered)],
        else_steps=[FailStep(f"Reject{step.name}", error_message="not good enough")],
    )


if __name__ == "__main__":
    sys.exit(main())
