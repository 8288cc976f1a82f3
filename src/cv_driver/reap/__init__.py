"""The command that ends fold jobs whose driver is gone."""
