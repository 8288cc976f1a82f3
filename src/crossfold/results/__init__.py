"""What a job leaves behind for people and pipelines: scores, tables, out-of-fold predictions."""
