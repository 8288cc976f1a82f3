"""Scores of predictions, and summaries of scores over folds.

Knows arrays of targets, predictions, weights and groups; must not know where they come from.
Nothing is imported here, so that `crossfold.metrics.prediction` stays cheap.
"""
