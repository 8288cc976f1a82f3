"""Folds as training jobs of their own, beside the driver's: created, watched, ended, collected.

In a driver's order: `connection` reads its own job, `preflight` finds what would keep folds from
being jobs, `launch` puts the `launcher` together, which runs them.  Before there is one,
`early_stop` ends the `leftover_folds` of an earlier start.  `fold_job` is what all of them are
about, and a fold itself heeds the `stop_marker`.
"""
