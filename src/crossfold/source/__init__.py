"""The user's code on its way: from S3 or an archive to a folder, and beside the model it made.

`train` brings it to be run, `serve` to be called.  This room knows paths and bytes; it must not
know jobs, requests or what the code does.
"""
