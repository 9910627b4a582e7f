"""Experiments: from a TOML file to a frozen campaign. Overrides, axes and grid, names, content addresses."""
