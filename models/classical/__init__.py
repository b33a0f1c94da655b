"""Classical baselines through the same split, predictions and files as networks."""
