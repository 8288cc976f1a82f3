"""Several models in one server, loaded and unloaded by requests: SageMaker's multi-model contract.

Knows nothing of what an invocation holds.  Source: AWS docs, "Build Your Own Container for
SageMaker AI Multi-Model Endpoints".
"""
