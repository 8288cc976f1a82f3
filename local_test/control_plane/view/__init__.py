"""What a person sees of the jobs."""
