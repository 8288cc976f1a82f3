"""Long runs against `serve`: a fuzzer, and load while workers are killed; CI runs short samples."""
