"""One function for each operation: a validated request in, the service's response out."""
