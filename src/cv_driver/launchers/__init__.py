"""Where folds run: in this process, in child processes."""
