"""Runs of classical baselines, with the same split, predictions and files as networks."""
