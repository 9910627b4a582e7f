"""Recordings: what left a federation, as files that can be kept, sent, and attacked again next year."""
