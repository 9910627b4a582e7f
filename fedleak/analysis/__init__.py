"""Analysis: what a run shows. The one place that decides what leaked, beside what, and what was not tried."""
