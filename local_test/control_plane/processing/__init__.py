"""Processing jobs: containers with files in and files out, and no model."""
