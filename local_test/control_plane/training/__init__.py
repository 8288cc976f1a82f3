"""Training jobs: the records, the state machine and what it needs from the world."""
