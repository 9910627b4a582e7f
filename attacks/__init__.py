"""What the adversary thinks: attacks, one a file, discovered by a scan of this folder; `parts` holds their pieces."""
