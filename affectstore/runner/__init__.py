"""Runs of the workflow: targets, passes of Snakemake, progress, summary."""
