"""Goals: the kinds of guess. What each is called, what judges it, what is true of it, and what is guessed blindly."""
