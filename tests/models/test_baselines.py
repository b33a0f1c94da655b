"""Every file of models/baselines/ keeps its contract; a new file is tested by being there."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.baseline_examples import clips, every, fitted, predicted, uar
from support.metrics import evaluate

from affectstore.models.baseline_spec import BASELINES, Examples, PoolingOptions, softmax
from affectstore.models.baselines import chance, gradient_boosting, majority
from affectstore.models.spec import TrainingError

READING = [name for name in BASELINES.names() if BASELINES.load(name).SPEC.reads_features]

OF_LABELS = [name for name in BASELINES.names() if name not in READING]

reading = pytest.mark.parametrize("name", READING)


@every
def test_a_baseline_is_declared_completely(name: str) -> None:
    module = BASELINES.load(name)
    assert module.SPEC.version >= 1
    assert module.SPEC.summary
    assert issubclass(module.Options, PoolingOptions) == module.SPEC.reads_features
    assert [p.strip("_") for p in inspect.signature(module.fit).parameters] == [
        "train",
        "val",
        "num_classes",
        "seed",
        "options",
    ]
    assert [p.strip("_") for p in inspect.signature(module.probabilities).parameters] == ["state", "ids", "x"]


@every
@pytest.mark.parametrize("validated", [True, False])
def test_a_seed_gives_the_same_and_probabilities_sum_to_one(name: str, validated: bool) -> None:
    train, val, other = clips(60), clips(30, 1) if validated else None, clips(45, 2)
    first, again = fitted(name, train, val, seed=3), fitted(name, train, val, seed=3)
    assert {n: a.tobytes() for n, a in first.state.items()} == {n: a.tobytes() for n, a in again.state.items()}
    assert first.num_parameters > 0
    assert first.chosen_by
    p = predicted(name, first.state, other)
    assert (p.dtype, p.shape) == (np.float64, (45, 3))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert (p >= 0).all()


@every
def test_a_clip_gives_the_same_alone_and_among_others(name: str) -> None:
    state, other = fitted(name, clips(60), clips(30, 1)).state, clips(20, 2)
    together = predicted(name, state, other)
    for k in (0, 7, 19):
        alone = predicted(name, state, Examples(other.ids[k : k + 1], other.x[k : k + 1], other.y[k : k + 1]))
        np.testing.assert_allclose(alone[0], together[k], rtol=1e-12, atol=1e-15)


@every
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_without_training_clips_has_probability_zero(name: str, missing: int) -> None:
    whole, val, other = clips(90), clips(30, 1), clips(30, 2)
    part = whole.y != missing
    train = Examples(tuple(np.array(whole.ids)[part]), whole.x[part], whole.y[part])
    p = predicted(name, fitted(name, train, val).state, other)
    assert (p[:, missing] == 0).all()
    assert np.isfinite(p).all()
    if name in READING:
        assert (p.argmax(axis=1) == other.y)[other.y != missing].mean() > 0.9


@every
def test_classes_are_in_the_order_of_the_tables(name: str) -> None:
    """Frequencies, or scores, of the last class are in the last column, also where labels come in another order."""
    train = clips(90)
    keep = (train.y == 2) | (np.arange(90) % 9 < 3)
    train = Examples(tuple(np.array(train.ids)[keep][::-1]), train.x[keep][::-1], train.y[keep][::-1])
    p = predicted(name, fitted(name, train, clips(30, 1)).state, clips(600, 2))
    if name in READING:
        assert uar(clips(600, 2).y, p) > 0.9
    else:
        shares = np.bincount(train.y) / len(train.y)
        np.testing.assert_allclose(np.bincount(p.argmax(axis=1), minlength=3).argmax(), shares.argmax())


@reading
def test_constant_columns_change_nothing(name: str) -> None:
    def wider(given: Examples) -> Examples:
        return given._replace(x=np.hstack([given.x, np.zeros((len(given.y), 3), dtype=np.float32)]))

    train, val, other = clips(60), clips(30, 1), clips(30, 2)
    options = {"columns": 1.0} if name == "gradient_boosting" else {}
    plain = predicted(name, fitted(name, train, val, **options).state, other)
    p = predicted(name, fitted(name, wider(train), wider(val), **options).state, wider(other))
    np.testing.assert_allclose(p, plain, atol=1e-6)


@reading
def test_separable_classes_are_separated(name: str) -> None:
    other = clips(90, 2)
    result = fitted(name, clips(90), clips(45, 1))
    assert uar(other.y, predicted(name, result.state, other)) > 0.9
    assert "validation" in result.chosen_by


@reading
def test_one_class_is_refused(name: str) -> None:
    train = clips(30)._replace(y=np.full(30, 1))
    with pytest.raises(TrainingError, match="all 30 clips of the training subset have one label"):
        fitted(name, train, clips(30, 1))


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_alone_count_where_features_are_not_read(name: str) -> None:
    train, other = clips(60), clips(30, 1)
    first = fitted(name, train, None)
    again = fitted(name, train._replace(x=-train.x), None)
    np.testing.assert_array_equal(
        predicted(name, first.state, other), predicted(name, again.state, other._replace(x=other.x + 1))
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.lists(st.integers(0, 3), min_size=4, max_size=40))
def test_the_majority_is_one_class_and_its_uar_one_over_the_classes(trained: list[int], tested: list[int]) -> None:
    tested += [0, 1, 2, 3]
    y = np.array(trained)
    state = majority.fit(Examples(("",) * len(y), np.zeros((len(y), 0)), y), None, 4, 0, majority.Options()).state
    p = majority.probabilities(state, ("c",) * len(tested), None)
    assert set(p.argmax(axis=1)) == {int(np.bincount(y).argmax())}
    assert evaluate([str(k) for k in tested], p, list("0123"))["uar"] == pytest.approx(1 / 4)


def test_chance_samples_classes_by_their_frequency_and_the_clips_id() -> None:
    y = np.repeat([0, 1, 2], [60, 30, 10])
    state = chance.fit(Examples(("",) * 100, np.zeros((100, 0)), y), None, 4, 5, chance.Options()).state
    ids = tuple(f"clip{k}" for k in range(20000))
    p = chance.probabilities(state, ids, None)
    sampled = np.bincount(p.argmax(axis=1), minlength=4) / len(ids)
    np.testing.assert_allclose(sampled, [0.6, 0.3, 0.1, 0], atol=0.012)  # three standard deviations of the largest
    labels = np.random.default_rng(0).integers(0, 3, len(ids))
    assert uar(labels, p) == pytest.approx(1 / 3, abs=0.012)
    np.testing.assert_array_equal(chance.probabilities(state, ids[50:60], None), p[50:60])
    other = chance.fit(Examples(("",) * 100, np.zeros((100, 0)), y), None, 4, 6, chance.Options()).state
    agreeing = (chance.probabilities(other, ids, None).argmax(axis=1) == p.argmax(axis=1)).mean()
    assert agreeing == pytest.approx(0.36 + 0.09 + 0.01, abs=0.012)


def test_the_cost_is_the_smallest_of_the_best_on_validation() -> None:
    train, val = clips(60, shift=1.5), clips(300, 1, shift=1.5)
    result = fitted("linear_svm", train, val, costs=(1.0, 1e-6, 1e-2))
    assert [row["cost"] for row in result.tried] == [1e-6, 1e-2, 1.0]
    best = max(row["val_uar"] for row in result.tried)
    chosen = next(row["cost"] for row in result.tried if row["val_uar"] == best)
    assert result.chosen_by == f"validation uar: cost {chosen:g}"
    alone = fitted("linear_svm", train, None, cost=chosen)
    np.testing.assert_array_equal(alone.state["coefficients"], result.state["coefficients"])
    equal = fitted("linear_svm", clips(60, shift=50), clips(30, 1, shift=50), costs=(1.0, 0.1))
    assert equal.chosen_by == "validation uar: cost 0.1"


@pytest.mark.parametrize("classes", [2, 3])
def test_the_support_vector_machine_is_that_of_the_library(classes: int) -> None:
    from sklearn.svm import LinearSVC

    train, other = clips(60, classes=classes, shift=1), clips(30, 2, classes=classes, shift=1)
    result = fitted("linear_svm", train, None, classes=classes, cost=0.01, class_weight="balanced")
    machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0, max_iter=10000, dual=True)
    scores = machine.fit(train.x, train.y).decision_function(other.x)
    if classes == 2:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    np.testing.assert_allclose(predicted("linear_svm", result.state, other), softmax(scores), rtol=1e-9)
    assert result.num_parameters == (1 if classes == 2 else 3) * 7


@pytest.mark.parametrize("classes", [2, 3])
def test_the_trees_are_those_of_the_library(classes: int) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    train, other = clips(120, classes=classes, shift=1), clips(30, 2, classes=classes, shift=1)
    result = fitted("gradient_boosting", train, None, classes=classes, seed=3, rounds=7, bins=16, columns=0.5)
    booster = HistGradientBoostingClassifier(
        max_iter=7, max_bins=16, max_features=0.5, random_state=3, early_stopping=False
    )
    theirs = booster.fit(train.x, train.y).predict_proba(other.x)
    np.testing.assert_allclose(predicted("gradient_boosting", result.state, other), theirs, atol=1e-9)
    assert result.best_epoch == 7
    assert len(result.state["roots"]) == 7 * (1 if classes == 2 else 3)


def test_boosting_keeps_the_rounds_with_the_lowest_validation_loss() -> None:
    train, val = clips(120, shift=1), clips(300, 1, shift=1)
    result = fitted("gradient_boosting", train, val, patience=5, leaf_clips=5)
    losses = [row["val_loss"] for row in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses)) < len(losses)
    p = predicted("gradient_boosting", result.state, val)
    assert -np.log(p[np.arange(300), val.y]).mean() == pytest.approx(min(losses), abs=1e-9)
    hopeless = fitted("gradient_boosting", train, val._replace(y=(val.y + 1) % 3), patience=2)
    assert hopeless.best_epoch == 0
    np.testing.assert_allclose(predicted("gradient_boosting", hopeless.state, val), 1 / 3, atol=1e-6)


def test_trees_that_the_library_stores_differently_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = gradient_boosting.probabilities
    monkeypatch.setattr(gradient_boosting, "probabilities", lambda *given: np.roll(real(*given), 1, axis=1))
    with pytest.raises(TrainingError, match=r"cannot read the trees of scikit-learn \d"):
        fitted("gradient_boosting", clips(60), None, rounds=2)


def test_seeds_change_random_baselines_and_no_others() -> None:
    train, val, other = clips(90, columns=40, shift=1), clips(45, 1, columns=40, shift=1), clips(45, 2, columns=40)
    differ = {}
    for name in BASELINES.names():
        p = [predicted(name, fitted(name, train, val, seed=seed).state, other) for seed in (0, 1)]
        differ[name] = not np.array_equal(*p)
    assert {name for name, changed in differ.items() if changed} == {"chance", "gradient_boosting"}
