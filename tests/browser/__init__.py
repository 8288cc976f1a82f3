"""The control plane's page in a real browser; `make test-browser` runs it."""
