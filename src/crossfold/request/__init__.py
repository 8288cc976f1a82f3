"""The job that hyperparameters and environment ask for, decided before any data is read.

Knows the external interface's names, the published forms of cross-validation and the parameter
tables of the algorithms.  Must not read data, fit or print.
"""
