"""One training job: read the request, choose what to run, report how it ended."""
