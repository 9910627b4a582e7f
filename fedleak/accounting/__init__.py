"""What a chain of defenses proves: epsilon over a run, and bounds on what any attack can reconstruct.

Shown beside what attacks did reconstruct; a result that beats its bound is a bug of the run.
"""
