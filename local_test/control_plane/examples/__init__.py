"""Scripts of users: they know AWS, and nothing of the plane."""
