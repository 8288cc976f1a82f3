"""What keeps fold jobs from being made, found and told before the first of them is."""
