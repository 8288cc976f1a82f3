"""A SageMaker on 127.0.0.1: it takes the service's requests and really runs the jobs."""
