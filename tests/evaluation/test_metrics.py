"""Metrics compared with hand-computed values and scikit-learn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from support.metrics import evaluate

from affectstore.evaluation.confusion_counts import ConfusionCounts, count_predictions
from affectstore.evaluation.metrics import METRICS, Metric, measure
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import build_table

LABELS = ("a", "b", "c")


def softly(guesses: list[int], classes: int = 3, sure: float = 0.8) -> np.ndarray:
    p = np.full((len(guesses), classes), (1 - sure) / (classes - 1))
    p[np.arange(len(guesses)), guesses] = sure
    return p


def test_values_by_hand() -> None:
    # true a a a b b c, guessed a a b b c c
    scores = evaluate(list("aaabbc"), softly([0, 0, 1, 1, 2, 2]), LABELS)
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["uar"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scores["macro_recall"] == scores["uar"]
    assert scores["macro_precision"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert scores["f1:a"] == pytest.approx(2 * 2 / (3 + 2))
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert scores["loss"] == pytest.approx(-(4 * math.log(0.8) + 2 * math.log(0.1)) / 6)
    assert scores["micro_f1"] == scores["micro_precision"] == scores["micro_recall"] == scores["accuracy"]
    assert [scores[f"support:{label}"] for label in LABELS] == [3, 2, 1]
    assert scores["confusion:a>b"] == 1
    assert scores["confusion:b>a"] == 0


def test_a_class_without_instances_has_no_score_and_no_weight() -> None:
    scores = evaluate(list("aab"), softly([0, 2, 1]), LABELS)
    assert math.isnan(scores["recall:c"])
    assert math.isnan(scores["precision:c"])
    assert math.isnan(scores["f1:c"])
    assert scores["uar"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["macro_precision"] == pytest.approx(1.0)
    assert scores["support:c"] == 0


def test_a_class_never_predicted_has_precision_zero() -> None:
    scores = evaluate(list("ab"), softly([0, 0]), LABELS)
    assert scores["precision:b"] == 0
    assert scores["f1:b"] == 0
    assert scores["macro_f1"] == pytest.approx((2 / 3) / 2)


def test_the_first_of_equal_probabilities_is_the_guess() -> None:
    assert evaluate(["a", "b"], np.full((2, 3), 1 / 3), LABELS)["confusion:b>a"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probability_of_zero_costs_as_much_as_its_type_resolves(dtype: type) -> None:
    p = np.array([[1, 0, 0]], dtype=dtype)
    assert evaluate(["b"], p, LABELS)["loss"] == pytest.approx(-math.log(np.finfo(dtype).eps))


instances = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(1, 99), min_size=4, max_size=4)), min_size=1)


@settings(max_examples=60, deadline=None)
@given(instances)
def test_agreement_with_scikit_learn(drawn: list[tuple[int, list[int]]]) -> None:
    labels = ("w", "x", "y", "z")
    y = np.array([true for true, _ in drawn])
    p = np.array([row for _, row in drawn], dtype=np.float64)
    p /= p.sum(axis=1, keepdims=True)
    guess, present = p.argmax(axis=1), sorted(set(y))
    scores = evaluate([labels[k] for k in y], p, labels)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(y, guess))
    assert scores["loss"] == pytest.approx(sk.log_loss(y, p, labels=range(4)))
    for kind, name in (("macro", "macro"), ("micro", "micro")):
        among = present if kind == "macro" else list(range(4))
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            y, guess, labels=among, average=kind, zero_division=0
        )
        assert scores[f"{name}_precision"] == pytest.approx(precision)
        assert scores[f"{name}_recall"] == pytest.approx(recall)
        assert scores[f"{name}_f1"] == pytest.approx(f1)
    if len(present) > 1:
        assert scores["uar"] == pytest.approx(sk.recall_score(y, guess, labels=present, average="macro"))
    each = sk.precision_recall_fscore_support(y, guess, labels=range(4), zero_division=0)
    matrix = sk.confusion_matrix(y, guess, labels=range(4))
    for k, label in enumerate(labels):
        assert scores[f"support:{label}"] == each[3][k]
        if k in present:
            assert [scores[f"{m}:{label}"] for m in ("precision", "recall", "f1")] == pytest.approx(
                [column[k] for column in each[:3]]
            )
        for j, other in enumerate(labels):
            assert scores[f"confusion:{label}>{other}"] == matrix[k, j]


def test_leading_axes_are_scored_one_by_one() -> None:
    rng = np.random.default_rng(0)
    stacked = ConfusionCounts(rng.integers(0, 5, (2, 7, 3, 3)).astype(float), rng.random((2, 7)))
    together = measure(stacked, LABELS)
    for i, j in np.ndindex(2, 7):
        one = measure(ConfusionCounts(stacked.confusion[i, j], stacked.loss_sum[i, j]), LABELS)
        for name, value in one.items():
            np.testing.assert_allclose(together[name][i, j], value)


def test_groups_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    true, p, group = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50), rng.integers(0, 4, 50)
    whole, parts = count_predictions(true, p), count_predictions(true, p, group, 5).sum(axis=0)
    np.testing.assert_array_equal(whole.confusion, parts.confusion)
    assert whole.loss_sum == pytest.approx(parts.loss_sum)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_keeps_the_contract(metric: Metric) -> None:
    rng = np.random.default_rng(2)
    counts = ConfusionCounts(rng.integers(0, 5, (6, 3, 3)).astype(float), rng.random(6))
    values = metric.compute(counts)
    assert values.shape == (6,) + (3,) * len(metric.axes)
    assert metric.axes in {(), ("class",), ("true", "predicted")}
    assert metric.title
    assert metric.compute.__doc__
    assert METRICS[metric.name] is metric
    if metric.percent:
        known = values[np.isfinite(values)]
        assert ((known >= 0) & (known <= 1)).all()


def test_metrics_are_in_the_order_of_rows_in_files() -> None:
    assert list(METRICS) == sorted(METRICS)


def test_a_new_entry_is_measured_and_tabulated(
    monkeypatch: pytest.MonkeyPatch, tree: Path, session_experiment, session_card
) -> None:
    def specificity(counts: ConfusionCounts) -> np.ndarray:
        others = counts.n[..., None] - counts.support
        return 1 - (counts.predicted - counts.hits) / others

    monkeypatch.setitem(METRICS, "specificity", Metric("specificity", "Specificity", specificity, ("class",)))
    assert evaluate(list("aab"), softly([0, 2, 1]), LABELS)["specificity:c"] == pytest.approx(2 / 3)
    runs_dir, labels = tree / "results" / "runs", session_card.labels
    table = build_table(
        "demo",
        session_experiment,
        session_card,
        score("demo", session_experiment, runs_dir, labels, resamples=20),
        read_runs("demo", session_experiment, runs_dir),
    )
    found = tidy_table(table).query("metric == 'specificity:SAD'")
    assert len(found) == len(table.rows)
    assert (found["ci_low"] <= found["ci_high"]).all()
