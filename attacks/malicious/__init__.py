"""Malicious servers: what crafted weights and planted modules collected, read back."""
