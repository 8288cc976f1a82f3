"""Cross-validation of a user's own script: cut data, run it for each fold, read what it prints."""
