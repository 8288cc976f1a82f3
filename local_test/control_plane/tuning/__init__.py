"""Tuning jobs: the search for values, the state machine above the training jobs."""
