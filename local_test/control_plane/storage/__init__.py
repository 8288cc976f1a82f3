"""What outlives a container: S3, logs, metrics, records on disk."""
