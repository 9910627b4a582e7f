"""Model inversion: what a class looks like, found by questions to whoever answers with the model."""
