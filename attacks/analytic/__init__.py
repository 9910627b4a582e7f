"""Analytic attacks: inputs solved for in closed form or by exact search."""
