"""Score predictions, write tables and figures, and write the report.

REQUIRED INPUTS: results/plans/experiments/{experiment}.json (the request to score), the markers of the
    experiment's cells and folds.
OUTPUTS: results/metrics/{experiment}.parquet, results/tables/{experiment}.{csv,md,tex},
    results/figures/{experiment}-{bars,confusion,curves}.{svg,png}, results/report.html.
"""


rule score:
    input:
        request="results/plans/experiments/{experiment}.json",
        markers=experiment_markers,
    output:
        metrics="results/metrics/{experiment}.parquet",
        record="results/metrics/{experiment}.json",
    log:
        "logs/score/{experiment}.log",
    benchmark:
        "results/benchmarks/score/{experiment}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        python=PYTHON,
        config=CONFIG,
    shell:
        "{params.python:q} -m affectstore score --config {params.config:q} --experiment {wildcards.experiment:q} > {log:q} 2>&1"


rule tabulate:
    input:
        metrics="results/metrics/{experiment}.parquet",
        skipped=skipped_list,
    output:
        tables=report(
            multiext("results/tables/{experiment}", ".csv", ".md", ".tex"),
            caption="../workflow/report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        figures=report(
            expand(
                "results/figures/{{experiment}}-{figure}.{suffix}",
                figure=["bars", "confusion", "curves"],
                suffix=["svg", "png"],
            ),
            caption="../workflow/report/figure.rst",
            category="Figures",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/tabulate/{experiment}.log",
    benchmark:
        "results/benchmarks/tabulate/{experiment}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        python=PYTHON,
        config=CONFIG,
    shell:
        "{params.python:q} -m affectstore tabulate --config {params.config:q} --experiment {wildcards.experiment:q} > {log:q} 2>&1"


rule report:
    input:
        report_inputs,
    output:
        page=report(
            "results/report.html",
            caption="../workflow/report/report.rst",
            category="Report",
        ),
    log:
        "logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        python=PYTHON,
        config=CONFIG,
    shell:
        "{params.python:q} -m affectstore report --config {params.config:q} > {log:q} 2>&1"
