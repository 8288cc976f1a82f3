"""Script mode: the user's own program, run as sagemaker-training does, less its known faults.

From the request to the end: `script_job` → `source` → `entry_point` →
`installs` → `environment` (`toolkit`) → `child` (`warden`) → `failure`.
"""
