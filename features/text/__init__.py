"""Features of words."""
