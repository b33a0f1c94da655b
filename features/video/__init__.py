"""Video features."""
