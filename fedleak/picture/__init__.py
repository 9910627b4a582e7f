"""Pictures for people: what is in a gallery, and how it is drawn."""
