"""Contracts: what a plug-in implements and what it is given."""
