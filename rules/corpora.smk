"""Corpora are scanned and planned by the preflight, not by jobs.

OUTPUTS (of the preflight): results/manifests/{corpus}.parquet, results/manifests/{corpus}.skipped.tsv,
results/plans/{corpus}/{shard}.tsv. `snakemake store` publishes every feature of every corpus at hand.
"""


rule store:
    input:
        store_targets,
