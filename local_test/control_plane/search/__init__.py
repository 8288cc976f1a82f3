"""Search: which records of a kind an expression asks for, and in which order."""
