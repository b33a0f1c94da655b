"""Assign the clips of a corpus to folds and subsets.

REQUIRED INPUT: results/manifests/{corpus}.parquet.
OUTPUTS: results/splits/{corpus}/{protocol}.parquet and its digest (.json); a copy of both in the store.
"""


rule split:
    input:
        manifest=ancient("results/manifests/{corpus}.parquet"),
    output:
        split="results/splits/{corpus}/{protocol}.parquet",
        record="results/splits/{corpus}/{protocol}.json",
    log:
        "logs/split/{corpus}/{protocol}.log",
    benchmark:
        "results/benchmarks/split/{corpus}/{protocol}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        python=PYTHON,
        config=CONFIG,
    shell:
        "{params.python:q} -m affectstore split --config {params.config:q} --corpus {wildcards.corpus:q}"
        " --protocol {wildcards.protocol:q} > {log:q} 2>&1"
