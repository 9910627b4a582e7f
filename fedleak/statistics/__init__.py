"""What the rows of a run say together: means with intervals, shares above a threshold, paired tests."""
