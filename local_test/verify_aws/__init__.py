"""The local control plane held against the real SageMaker, fact by fact."""
