"""What a user of SDK v3 writes to train an image on the own machine; nothing in it is ours.

``python sdk3.py JOB`` reads JOB, a JSON file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train import ModelTrainer
from sagemaker.train.model_trainer import Mode


def main() -> int:
    """Train; the artifacts stay in the job's container root."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    trainer = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER,
        training_image=job["image"],
        role=job["role"],
        compute=Compute(instance_type="local_cpu", instance_count=job["instance_count"]),
        hyperparameters=job["hyperparameters"],
        local_container_root=job["container_root"],
    )
    channels = [
        InputData(channel_name=name, data_source=folder, content_type="text/csv")
        for name, folder in job["channels"].items()
    ]
    trainer.train(input_data_config=channels, wait=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
