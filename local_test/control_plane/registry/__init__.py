"""The model registry: groups of models, their versions, and models without a group."""
