"""Losses: one file each; see `affectstore.models.spec`."""
