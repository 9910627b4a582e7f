"""The classifier head: its gradient, its outputs, and labels read from them."""
