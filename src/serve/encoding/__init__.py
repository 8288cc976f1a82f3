"""Outputs → bytes: what a model said, in the format that the client accepts.

Knows arrays and labels; no model, no request.
"""
