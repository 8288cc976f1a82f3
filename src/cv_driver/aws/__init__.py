"""SageMaker and S3 as a driver sees them: the calls, their rates and failures, its own job."""
