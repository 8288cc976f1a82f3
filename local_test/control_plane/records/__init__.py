"""What is kept over a restart of the plane: records by name, and the jobs that are under way."""
