"""Secure aggregation that survives dropouts, as a library: keys, shares, masks, and the two state machines.

The active protocol of Bonawitz et al. (https://doi.org/10.1145/3133956.3133982) on the sparse graph of Bell et al.
(https://doi.org/10.1145/3372297.3417885). Nothing here reads, writes or sends: messages are bytes in and bytes out.
"""
