"""Training tricks: one file each; see `affectstore.models.training.trick`."""
