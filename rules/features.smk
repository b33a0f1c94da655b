"""Compute features shard by shard and publish them.

REQUIRED INPUTS: results/plans/{corpus}/{shard}.tsv (a shard's clips),
    results/plans/{corpus}/{feature}.json (the request to publish).
OUTPUTS: results/store/{corpus}/{feature}/shards/{shard}.json (the ledger of an immutable data folder),
    results/store/{corpus}/{feature}/catalog.json (the snapshot that readers open).
The preflight decides which ledgers are valid: the time of a plan has no meaning (`ancient`), and there are edges to
other jobs only where an output has to be made.
"""


rule extract:
    input:
        plan=ancient("results/plans/{corpus}/{shard}.tsv"),
        upstream=upstream_ledgers,
    output:
        ledger="results/store/{corpus}/{feature}/shards/{shard}.json",
    log:
        "logs/extract/{corpus}/{feature}/{shard}.log",
    benchmark:
        "results/benchmarks/extract/{corpus}/{feature}/{shard}.tsv"
    threads: 1
    resources:
        mem_mb=extract_mem_mb,
        runtime=240,
        gpu=extract_gpus,
    params:
        python=PYTHON,
        config=CONFIG,
        digest=feature_digest,
    shell:
        "{params.python:q} -m affectstore extract --config {params.config:q} --corpus {wildcards.corpus:q}"
        " --feature {wildcards.feature:q} --shard {wildcards.shard:q} --digest {params.digest:q} > {log:q} 2>&1"


rule commit:
    input:
        request="results/plans/{corpus}/{feature}.json",
        ledgers=shard_ledgers,
    output:
        catalog="results/store/{corpus}/{feature}/catalog.json",
    log:
        "logs/commit/{corpus}/{feature}.log",
    benchmark:
        "results/benchmarks/commit/{corpus}/{feature}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        python=PYTHON,
        config=CONFIG,
        digest=feature_digest,
    shell:
        "{params.python:q} -m affectstore commit --config {params.config:q} --corpus {wildcards.corpus:q}"
        " --feature {wildcards.feature:q} --digest {params.digest:q} > {log:q} 2>&1"
