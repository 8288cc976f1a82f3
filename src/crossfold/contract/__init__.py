"""The only room that knows ``/opt/ml``, SageMaker's JSON files and its log lines."""
