"""Folds as training jobs of their own, beside the driver's: created, watched, ended, collected."""
