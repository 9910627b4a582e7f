"""Run folders: layout, manifest, ownership, finished cells, integrity and queries."""
