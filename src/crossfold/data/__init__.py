"""Turn the files of a job's channels into tables; know nothing of fitting, folds or metrics."""
