"""Results: rows, columns and tables of a run, for people and for DuckDB."""
