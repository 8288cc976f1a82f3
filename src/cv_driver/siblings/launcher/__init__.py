"""The launcher of fold jobs: a state machine that makes one call at a time."""
