"""Where containers run: `/opt/ml`, child processes, Docker."""
