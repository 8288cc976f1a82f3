"""The body of a request → a matrix of features; the only room of ``serve`` that knows formats."""
