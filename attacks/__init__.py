"""Attacks: what the adversary thinks, one a file, discovered by a scan of this folder; `parts` holds their pieces."""
