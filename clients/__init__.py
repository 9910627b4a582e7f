"""Clients: what runs on a client."""
