"""What a fold job is: its name and tags, what it is asked for, how it ends and what it leaves."""
