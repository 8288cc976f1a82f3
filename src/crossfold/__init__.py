"""What `train`, `serve` and `cv_driver` share.

Rooms, each importing only those to its right::

    fitting → request → persistence → algorithms → data | metrics | folds | contract → errors
"""
