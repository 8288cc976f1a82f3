"""Fit and score: where data, folds, algorithms and metrics meet, for `train` and the driver."""
