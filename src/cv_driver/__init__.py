"""Driver mode: plan the folds, launch them, watch them, report."""
