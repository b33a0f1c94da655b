"""Validation yields every problem with its place; the planned state reaches the Snakefile inside its scope alone."""

from __future__ import annotations

from typing import Any

import pytest

from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError
from affectstore.features.keys import features_of
from affectstore.preflight import handover
from affectstore.preflight.state import State
from affectstore.preflight.validate import check_config, validate, validate_corpora
from affectstore.problem import Problem

CELL: dict[str, Any] = {"modalities": ["audio"], "encoder": "resnet18"}
EXPERIMENT = {"title": "t", "corpus": "synthetic", "cells": [CELL]}


def resolved(experiment: dict[str, Any], corpora: dict[str, Any] | None = None) -> Resolved:
    """Configuration with one experiment."""
    config = Config(
        corpora=corpora or {"synthetic": {"root": "media", "shards": 1}},
        features={name: {"extractor": name} for name in ("audio", "mel", "mel_image")},
        experiments=("x",),
    )
    return Resolved(config, {"x": Experiment(**{**EXPERIMENT, **experiment})}, {}, {})


def test_a_valid_experiment_has_no_problem() -> None:
    found = resolved({})
    features = features_of(found.config)
    assert list(validate("x", found, features)) == []
    check_config(found, features)


def test_every_problem_is_found_with_its_place() -> None:
    fused = {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "time"}
    unknown = {**CELL, "name": "y", "inputs": {"audio": "lld"}}
    found = resolved({"protocol": "by_chance", "classes": ["ANG", "HAPPY"], "cells": [CELL, fused, unknown]})
    problems = list(validate("x", found, features_of(found.config)))
    where = "workflow/experiments/x.yaml"
    assert [problem.where for problem in problems] == [
        where,
        where,
        f"{where}, cell 'resnet18-multimodal-time'",
        f"{where}, cell 'y'",
    ]
    for problem, words in zip(problems, ("'by_chance'", "'HAPPY'", "frame axis", "'lld'"), strict=True):
        assert isinstance(problem, Problem)
        assert words in problem.message
        assert str(problem) == f"{problem.where}: {problem.message}"
    with pytest.raises(ConfigError) as error:
        check_config(found, features_of(found.config))
    assert str(error.value).splitlines() == list(map(str, problems))


def test_of_many_problems_the_first_are_listed() -> None:
    cells = [{**CELL, "name": f"n{number}", "encoder": f"resnet{number + 100}"} for number in range(12)]
    found = resolved({"cells": cells})
    with pytest.raises(ConfigError) as error:
        check_config(found, features_of(found.config))
    *listed, last = str(error.value).splitlines()
    assert len(listed) == 10
    assert last == "... and 2 more"


def test_cells_with_the_same_problem_are_one_line() -> None:
    cells = [{**CELL, "name": f"n{number}", "encoder": "resnet19"} for number in range(5)]
    found = resolved({"cells": cells})
    (problem,) = validate("x", found, features_of(found.config))
    assert problem.where == "workflow/experiments/x.yaml, cells 'n0', 'n1', 'n2' and 2 more"
    assert "unknown encoder 'resnet19'" in problem.message


def test_corpora_are_validated_too() -> None:
    wrong = {"root": "a", "shards": 1, "options": {"clip": 3}}
    found = resolved({}, {"synthetic": wrong, "mine": {"root": "b", "shards": 1}})
    options, kind = validate_corpora(found)
    assert (options.where, kind.where) == ("corpora.synthetic.options", "corpora.mine")
    assert "clips" in options.message
    assert "`mine: {kind: folder, root: ...}`" in kind.message


def test_the_planned_state_is_handed_over_inside_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    found = resolved({})
    one, other, planned = (State(found, found.path, features_of(found.config)) for _ in range(3))
    monkeypatch.setattr(handover, "plan_all", lambda: planned)
    assert handover.state_for(in_job=False) is planned
    with handover.handed_over(one):
        assert handover.state_for(in_job=False) is one
        with handover.handed_over(other):
            assert handover.state_for(in_job=False) is other
        assert handover.state_for(in_job=False) is one
    assert handover.state_for(in_job=False) is planned
