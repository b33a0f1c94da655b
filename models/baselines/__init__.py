"""Classical baselines: one file each; see `affectstore.models.baseline_spec`."""
