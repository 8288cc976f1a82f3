"""Algorithm families behind one protocol: fit, predict, explain, save, load.

Knows arrays, columns and metrics; must not know where rows come from, how they are split, or what
is done with a score.  Nothing is imported here: a library is imported when its name is asked for.
"""
