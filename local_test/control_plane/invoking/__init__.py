"""SageMaker Runtime: requests of clients, and how they reach the containers of an endpoint."""
