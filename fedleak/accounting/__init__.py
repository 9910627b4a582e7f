"""DP accounting: epsilon of a chain of defenses over a run.

Shown beside what attacks did reconstruct; a result that beats its bound is a bug of the run.
"""
