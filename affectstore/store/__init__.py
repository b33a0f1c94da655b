"""The store, format 1."""
