"""``cv_prune``: a trial that is worse than the tuning job's best beyond doubt ends early."""
