"""Batch transform: files of a bucket through a model's server and back, as the service does it."""
