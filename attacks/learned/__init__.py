"""Learned attacks: networks trained on public data to invert updates."""
