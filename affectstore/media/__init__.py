"""Probing, decoding and encoding of media files."""
