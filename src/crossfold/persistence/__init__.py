"""Models on disk: a manifest beside files in each library's own format.

Knows the algorithms' protocol and the manifest; must not know how a model came about.
Nothing is pickled, written or read.
"""
