"""Scores, tables, figures and the report, from the predictions that runs wrote and from nothing else."""
