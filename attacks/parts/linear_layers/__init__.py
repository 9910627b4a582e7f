"""Linear layers: their inputs recovered from the gradient of their weights."""
