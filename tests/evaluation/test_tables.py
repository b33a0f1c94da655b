"""Tables: columns, numbers, row notes, footnotes and escaping."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from affectstore.corpora.base import Card
from affectstore.evaluation.classes import classes_of, human_accuracy
from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.markdown import escape as escape_markdown
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.render.tex import escape as escape_tex
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.render.wide_table import condition_table, format_summary
from affectstore.evaluation.row_notes import meaning_of, row_notes
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import Summary, build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
ASKED = [
    "corpus", "label_target", "protocol", "modality", "encoder", "fusion", "n_seeds", "n_folds", "n_test",
    "metric", "mean", "sd", "ci_low", "ci_high", "flags",
]  # fmt: skip


@pytest.fixture(scope="session")
def card(session_card: Card) -> Card:
    return session_card


def build(runs_dir: Path, experiment, card: Card, folds: int | None = None, **more):
    metrics = score("demo", experiment, runs_dir, LABELS, resamples=50)
    runs = read_runs("demo", experiment, runs_dir)
    return build_table("demo", experiment, card, metrics, runs, folds, **more), metrics, runs


@pytest.fixture(scope="session")
def built(tree: Path, card: Card, session_experiment):
    return build(tree / "results" / "runs", session_experiment, card, folds=5)


def edit_facts(runs_dir: Path, pattern: str, **changes) -> None:
    for path in runs_dir.glob(f"demo/{pattern}/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_csv_has_the_documented_columns(built) -> None:
    table = tidy_table(built[0])
    assert list(table.columns)[: len(ASKED)] == ASKED
    assert not table.duplicated(["modality", "encoder", "fusion", "sharing", "metric"]).any()
    assert {"accuracy", "uar", "macro_f1", "micro_precision", "loss", "recall:SAD"} <= set(table["metric"])
    assert set(table["n_test"]) == {96}
    assert set(table["n_folds"]) == {2}


def test_numbers_of_the_csv_are_those_of_the_predictions(built, tree: Path) -> None:
    table = pd.read_csv(io.StringIO(tidy_table(built[0]).to_csv(index=False)))
    for cell in table["cell"].unique():
        frames = [pd.read_parquet(p) for p in (tree / "results/runs/demo").glob(f"{cell}/*/*/predictions.parquet")]
        frame = pd.concat(frames).query("subset == 'test' and condition == 'full'")
        values = []
        for _, one in frame.groupby("seed"):
            guess = np.array(LABELS)[one[[f"p_{label}" for label in LABELS]].to_numpy().argmax(axis=1)]
            values.append(sk.balanced_accuracy_score(one["y"], guess))
        row = table[(table["cell"] == cell) & (table["metric"] == "uar")].iloc[0]
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["sd"] == pytest.approx(np.std(values, ddof=1))
        assert row["ci_low"] <= row["mean"] <= row["ci_high"]


def test_row_notes(built) -> None:
    by_cell = {row.cell.id: row.notes for row in built[0].rows}
    assert by_cell["resnet18-audio"] == (
        "epochs<=4",
        "64px",
        "cpu",
        "random weights",
        "seeds<5",
        "folds 2/5",
        "speakers<10",
    )
    assert by_cell["simple3d-multimodal-time"][:3] == ("epochs<=6", "64px", "8 frames")


def test_row_notes_of_devices_weights_precision_and_badges(runs_dir: Path, make_experiment) -> None:
    experiment = make_experiment(
        seeds=3, images={"image_px": 112, "colour": "grayscale"}, train={"precision": "bf16-mixed"}
    )
    edit_facts(runs_dir, "resnet18-vision/*/0", device="cuda:0")
    edit_facts(runs_dir, "resnet18-vision/*/1", device="cuda:1", badges=["select=test"])
    edit_facts(runs_dir, "resnet18-vision/*/2", weights={"vision": "imagenet (resnet18-f37072fd.pth)"})
    runs = [run for run in read_runs("demo", experiment, runs_dir) if run.cell == "resnet18-vision"]
    notes = row_notes(experiment, experiment.cells[1], runs, 2, n_speakers=1)
    assert set(notes) == {
        "epochs<=50", "112px", "grayscale", "cuda", "cpu", "bf16-mixed", "random weights", "imagenet weights",
        "seeds<5", "speakers<10", "select=test",
    }  # fmt: skip
    assert "started from" in meaning_of("imagenet weights", ["cuda"])
    assert "device" in meaning_of("NVIDIA H200", ["NVIDIA H200"])
    assert "departure" in meaning_of("select=test", ["cuda"])


def test_the_best_of_each_modality(built) -> None:
    best = {row.cell.id: row.best for row in built[0].rows}
    assert best["resnet18-audio"] == {"accuracy", "uar", "macro_f1", "loss"}
    assert best["resnet18-multimodal-channel"] == frozenset()
    assert best["simple3d-multimodal-time"] == {"accuracy", "uar", "macro_f1", "loss"}


def test_the_lowest_loss_is_the_best(built) -> None:
    channel, time = (row for row in built[0].rows if row.cell.modality == "multimodal")
    assert time.values["loss"].mean < channel.values["loss"].mean


def test_chance_and_human_lines(built) -> None:
    table, *_ = built
    support = np.array([table.rows[0].values[f"support:{label}"].mean for label in LABELS])
    assert table.chance == {"accuracy": pytest.approx(support.max() / 96), "uar": pytest.approx(1 / 6)}
    text = markdown(table)
    assert re.search(r"\*chance\*.*\*16\.7\*", text)
    assert re.search(r"\*vision\*\s+\| \*human\*\s+\|\s+\| \*58\.2\*", text)


def test_human_accuracy_only_on_the_same_task(card: Card, make_experiment) -> None:
    assert human_accuracy(make_experiment(), card) == dict(card.human)
    assert human_accuracy(make_experiment(classes=LABELS[::-1]), card) == dict(card.human)
    for changes in ({"label_target": "audio"}, {"classes": LABELS[:4]}, {"select": {"level": ("HI",)}}):
        assert human_accuracy(make_experiment(**changes), card) == {}
    assert human_accuracy(make_experiment(merge={"ANG": "DIS"}), card) == {}


def test_classes_follow_the_experiment(make_experiment) -> None:
    assert classes_of(make_experiment(), LABELS) == LABELS
    assert classes_of(make_experiment(classes=("SAD", "ANG")), LABELS) == ("SAD", "ANG")
    assert classes_of(make_experiment(merge={"DIS": "ANG"}), LABELS) == ("ANG", "FEA", "HAP", "NEU", "SAD")


def test_skipped_clips_have_a_footnote(built, card: Card, runs_dir: Path, experiment) -> None:
    assert "Skipped: 3 clips (no face: 2; no audio stream: 1)." in footnotes(built[0])
    edit_facts(runs_dir, "*/*/*", skipped={}, excluded={"no label_intended": 4})
    edit_facts(runs_dir, "resnet18-vision/1/*", skipped={"no face": 1})
    table, *_ = build(runs_dir, experiment, card, skipped_by_scan={"truncated": 2})
    lines = "\n".join(footnotes(table))
    assert "1 clip (no face: 1) in resnet18-vision" in lines
    assert "0 clips in resnet18-audio, resnet18-multimodal-channel, simple3d-multimodal-time" in lines
    assert "Skipped when the corpus was scanned: 2 files (truncated: 2)." in lines
    assert "Not asked for: 4 clips (no label_intended: 4)." in lines


def test_nothing_skipped_has_a_footnote_too(runs_dir: Path, experiment, card: Card) -> None:
    edit_facts(runs_dir, "*/*/*", skipped={})
    assert "Skipped: 0 clips." in footnotes(build(runs_dir, experiment, card)[0])


def test_rows_on_different_clips_have_a_footnote(runs_dir: Path, experiment, card: Card) -> None:
    for seed in range(3):
        path = runs_dir / f"demo/resnet18-vision/0/{seed}/predictions.parquet"
        frame = pd.read_parquet(path)
        frame[frame["instance_id"] != frame.loc[frame["subset"] == "test", "instance_id"].iloc[0]].to_parquet(path)
    lines = "\n".join(footnotes(build(runs_dir, experiment, card)[0]))
    assert "Tested: 95 clips of 8 speakers, 2 folds (0, 1), 3 seeds per fold: resnet18-vision." in lines
    assert "compare them with care" in lines


def test_markdown_is_a_table_with_every_row_and_its_source(built) -> None:
    table, *_ = built
    text = markdown(table)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines[: 2 + 4 + 4]}
    assert widths == {10}
    assert text.count("no_audio") == 2
    assert "results/runs/demo/{cell}/{fold}/{seed}/predictions.parquet" in text
    assert all(row.cell.id in text for row in table.rows)
    assert f"**{100 * table.rows[-1].values['uar'].mean:.1f}** ±" in text


def test_conditions_are_only_shown_where_there_are_any(built) -> None:
    table, metrics, runs = built
    full = metrics[metrics["condition"] == "full"]
    alone = build_table("demo", table.experiment, table.card, full, runs)
    assert condition_table(alone) is None
    assert "no_audio" not in markdown(alone) + tex(alone)
    conditions = condition_table(table)
    assert conditions is not None
    assert [line.cells[3] for line in conditions.lines] == ["no_audio", "no_vision"] * 2


def test_conditions_do_not_enter_the_csv(built) -> None:
    assert len(tidy_table(built[0])) == 4 * (9 + 3 * 6)


def test_tex_is_balanced_and_booktabs(built) -> None:
    table, *_ = built
    text = tex(table)
    for environment in ("table", "tabular", "minipage"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") > 0
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith(r"\\")} == {8}
    assert not re.search(r"(?<!\\)[%_#<>]", text[text.index(r"\begin") :].replace("{%", "{"))


def test_escaping() -> None:
    assert escape_tex(r"50% of a_b & {c} \ ~ ±") == (r"50\% of a\_b \& \{c\} \textbackslash{} \textasciitilde{} $\pm$")
    assert escape_markdown("a|b *c* [1, 2] <b> epochs<=4 no_audio _x_") == (
        r"a\|b \*c\* [1, 2] \<b> epochs<=4 no_audio \_x\_"
    )


def test_formats_of_numbers() -> None:
    assert format_summary(Summary(0.4132, 0.0213, 0.36, 0.469), percent=True) == "41.3 ± 2.1 [36.0, 46.9]"
    assert format_summary(Summary(1.5, float("nan"), 1.25, 1.75), percent=False) == "1.500 [1.250, 1.750]"
    assert format_summary(Summary(float("nan"), 0.0, 0.0, 0.0), percent=True) == "undefined"


def test_a_single_seed_and_speaker(tmp_path: Path, make_experiment, make_runs, card: Card) -> None:
    experiment = make_experiment(seeds=1, folds=(0,))
    runs_dir = make_runs(tmp_path, "demo", experiment, 24, 1)
    table, *_ = build(runs_dir, experiment, card, folds=5)
    assert "speakers<10" in table.rows[0].notes
    assert "folds 1/5" in table.rows[0].notes
    assert "1 seed per fold" in "\n".join(footnotes(table))
    assert "With 1 speaker it is too narrow." in "\n".join(footnotes(table))
    assert " ± " not in markdown(table).split("\n- ")[0]
    assert tidy_table(table)["sd"].isna().all()


def test_cells_that_were_not_scored_are_named(built, make_experiment, card: Card) -> None:
    table, metrics, runs = built
    more = make_experiment(cells=[*table.experiment.cells, {"modalities": ["audio"], "encoder": "simple3d"}])
    with pytest.raises(Exception, match="no test scores of simple3d-audio"):
        build_table("demo", more, card, metrics, runs)


def test_cells_that_differ_in_their_settings_alone_show_their_names(
    tmp_path: Path, make_experiment, make_runs, card: Card
) -> None:
    cell = {"modalities": ["audio"], "encoder": "resnet18"}
    experiment = make_experiment(cells=[cell, cell | {"name": "slow", "train": {"learning_rate": 1e-5}}], seeds=1)
    table, *_ = build(make_runs(tmp_path, "demo", experiment), experiment, card)
    assert [row.label for row in table.rows] == ["resnet18", "resnet18 [slow]"]
    assert "resnet18 [slow]" in markdown(table)
    assert set(tidy_table(table)["cell"]) == {"resnet18-audio", "slow"}


def test_rows_that_fuse_other_modalities_list_them(tmp_path: Path, make_experiment, make_runs, card: Card) -> None:
    cells = [
        {"modalities": ["text"], "encoder": "blstm"},
        {"modalities": ["audio", "text"], "encoder": "blstm", "fusion": "gmu"},
        {"modalities": ["audio", "vision", "text"], "encoder": "blstm", "fusion": "gmu", "name": "three"},
    ]
    experiment = make_experiment(cells=cells, seeds=1)
    table, *_ = build(make_runs(tmp_path, "demo", experiment), experiment, card)
    assert [row.modality for row in table.rows] == ["text", "audio+text", "audio+vision+text"]
    assert table.rows[1].label == "audio+text · blstm · gmu"
    assert table.rows[1].wrapped_label(40) == "audio+text · blstm · gmu"
    assert re.search(r"\| audio\+vision\+text\s+\| blstm \[three\]", markdown(table))
    assert "| multimodal" not in markdown(table)
    assert human_accuracy(experiment, card) == {m: card.human[m] for m in ("audio", "vision")}


def test_many_reasons_are_counted_together(built) -> None:
    from dataclasses import replace

    reasons = {f"reason {k}": 20 - k for k in range(12)}
    lines = "\n".join(footnotes(replace(built[0], skipped_by_scan=reasons)))
    assert f"{sum(reasons.values())} files (reason 0: 20;" in lines
    assert "reason 7: 13; other reasons: 42)." in lines
