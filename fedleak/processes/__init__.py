"""Processes beside this one, and what they have loaded before they are asked for anything."""
