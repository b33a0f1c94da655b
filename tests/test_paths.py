"""The rules spell out paths that `Results` names: both are one layout."""

from __future__ import annotations

import re
from pathlib import Path

from affectstore.paths import FIGURE_FORMATS, FIGURES, RESULTS, TABLE_FORMATS, Results

ROOT = Path(__file__).parents[1]
LITERAL = re.compile(r'"(results/[^"]*)"')


def named_by_results() -> set[str]:
    """Every path of `Results`, with wildcards for names."""
    c, f, s, p, e = "{corpus}", "{feature}", "{shard}", "{protocol}", "{experiment}"
    paths = [
        RESULTS.manifest(c), RESULTS.skipped(c), RESULTS.plan(c, s), RESULTS.commit_request(c, f),
        RESULTS.ledger(c, f, s), RESULTS.catalog(c, f), RESULTS.split(c, p), RESULTS.split(c, p).with_suffix(".json"),
        RESULTS.marker(e, "{cell}", "{fold}"), RESULTS.score_request(e), RESULTS.metrics(e), RESULTS.scored_runs(e),
        *RESULTS.tables(e), RESULTS.report,
    ]  # fmt: skip
    return {str(path) for path in paths}


def test_rules_name_the_same_paths() -> None:
    literal = set()
    for path in sorted((ROOT / "rules").glob("*.smk")):
        code = re.sub(r'^""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        literal |= set(LITERAL.findall(code))
    assert len(literal) > 10
    rows, results = set(), named_by_results()
    for text in literal:
        if text.startswith("results/benchmarks/"):
            continue  # Snakemake's own measurements: no code reads them
        if text == "results/tables/{experiment}":  # with the suffixes of multiext
            rows |= {f"{text}.{suffix}" for suffix in TABLE_FORMATS}
        elif "{{experiment}}" in text:  # inside expand()
            named = text.replace("{{", "{").replace("}}", "}")
            rows |= {
                named.replace("{figure}", figure).replace("{suffix}", suffix)
                for figure in FIGURES
                for suffix in FIGURE_FORMATS
            }
        else:
            rows.add(re.sub(r"\{wildcards\.(\w+)\}", r"{\1}", text))
    assert rows <= results, rows - results


def test_every_path_lies_below_the_root() -> None:
    elsewhere = Results(Path("/data/results"))
    for path in (elsewhere.store("c"), elsewhere.marker("e", "c", 0), elsewhere.report, elsewhere.driver_lock):
        assert path.is_relative_to("/data/results")


def test_no_other_file_of_the_package_spells_out_a_path_of_the_results() -> None:
    """Paths in messages, help texts and docstrings are for people; constants are `Results`'s alone."""
    for folder in ("affectstore", "features", "models"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            code = [line for line in path.read_text(encoding="utf-8").splitlines() if ">>>" not in line]
            constants = [line for line in code if re.search(r'Path\(f?"results/', line)]
            assert not constants, f"{path}: {constants}"
