"""One module for each part of the service: what it makes there, and what it observes."""
