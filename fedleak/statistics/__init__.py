"""Statistics of a run: means with intervals, shares above a threshold, paired tests."""
