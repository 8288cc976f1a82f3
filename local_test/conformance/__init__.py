"""Container cases for SageMaker, written as data, and what holds an image against them.

``python -m local_test.conformance --image NAME`` runs them; README.md beside this file says how a
case is written.  Nothing here imports the product: what is tested is seen from outside, as files,
exit codes, log lines and HTTP.  Source of the cases: AWS docs, "Use Your Own Training Algorithms"
and "Use Your Own Inference Code", and what real jobs and the SDKs' local modes were seen to do.
"""
