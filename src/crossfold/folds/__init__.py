"""Folds: which rows are fitted on and which are held out.

This room sees roles of rows (target, group, time, fold) and row numbers.  It must not know files,
features, metrics or models.  Every assignment comes from scikit-learn's splitters.
"""
