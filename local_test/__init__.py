"""Jobs rehearsed on one machine, as SageMaker would run them."""
