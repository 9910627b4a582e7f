"""Verification's parts: the replay of a client's round, and the search for why it differs."""
