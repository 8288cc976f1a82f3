"""A model that is served by its user's own script: ``model_fn``, ``input_fn`` and their kin.

The convention is that of AWS's scikit-learn and PyTorch containers.  Nothing of the script runs
before the server has forked, and all of it on one thread of each worker.

Sources: aws/sagemaker-containers 2.8 (``_transformer.py``, ``_worker.py``, ``_encoders.py``),
aws/sagemaker-scikit-learn-container (``serving.py``, ``handler_service.py``),
aws/sagemaker-inference-toolkit 1.10 (``transformer.py``) and
aws/sagemaker-pytorch-inference-toolkit (``default_pytorch_inference_handler.py``).
"""
