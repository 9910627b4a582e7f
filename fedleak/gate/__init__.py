"""The gate: rules about what a run may leak, judged group by group, for people and for CI."""
