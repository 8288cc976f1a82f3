"""The web page of the control plane: its routes, its feed of changes, and what it shows in full."""
