"""Models and endpoints: what serves them, how requests find them, how they come and go."""
