"""Probing and decoding of media files."""
