"""Masks of secure aggregation whose seeds are few enough to try them all."""
