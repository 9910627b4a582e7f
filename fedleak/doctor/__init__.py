"""Doctor: what this machine can run, looked at without running anything."""
