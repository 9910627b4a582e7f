"""DP audit: measured lower bounds on epsilon, from what a server sees, beside what is declared and accounted."""
