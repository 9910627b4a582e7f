"""The engine of a run: federations are run once, then attacked by independent cells that survive being killed."""
