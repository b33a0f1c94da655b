"""Train a cell of an experiment on one fold, all its seeds in one job.

REQUIRED INPUTS: the catalogs of the features that the cell reads, the split of its protocol.
OUTPUT: results/runs/{experiment}/{cell}/{fold}/fold.json; beside it, per seed, model.safetensors,
    model.json, predictions.parquet, history.csv and run.json; of a cell with a grid also grid.csv and, in grid/, the
    validation scores of each combination.
If a profile gives a job N GPUs (`gpu`) or sets `processes` to N, N processes split every batch and the job's threads.
"""


rule train:
    input:
        cell_inputs,
    output:
        marker="results/runs/{experiment}/{cell}/{fold}/fold.json",
    log:
        "logs/train/{experiment}/{cell}/{fold}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/{cell}/{fold}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
        gpu=gpus,
    params:
        python=PYTHON,
        config=CONFIG,
        digest=cell_digest,
        threads=training_threads,
        processes=training_processes,
    shell:
        "{params.python:q} -m affectstore train --config {params.config:q} --experiment {wildcards.experiment:q}"
        " --cell {wildcards.cell:q} --fold {wildcards.fold:q} --digest {params.digest:q}"
        " --threads {params.threads:q} --processes {params.processes:q} > {log:q} 2>&1"
