"""An app as `flwr new` writes them."""
