"""Declarations, listings and planning import neither torch nor a library built on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import small_crema_d
from support.no_torch import run_without_torch

DECLARATIONS = """
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.spec import (
    ENCODERS, FUSIONS, LOSSES, TRICKS, ClipShape, ImageShape, JoinOptions, SequenceShape, TrickUse
)

PAIR = ("audio", "vision")
image = ImageShape(channels=1, height_px=32, width_px=32)
shapes = {"image": image, "clip": ClipShape(**image.model_dump(), frames=4), "sequence": SequenceShape(dim=5)}
use = TrickUse(PAIR, PAIR, FUSIONS.load("concat").SPEC, "concat", "separate", False, ())
for registry in (ENCODERS, FUSIONS, LOSSES, TRICKS, BASELINES):
    for name in registry.names():
        assert registry.load(name).SPEC.version
        registry.load(name).Options()
for name in ENCODERS.names():
    declared, options = ENCODERS.load(name), ENCODERS.load(name).Options()
    assert (options.depth > 0) == declared.SPEC.outputs("layers")
    assert (options.pretrained_source, options.pretrained_digest()) == ("random", None)
    assert options.resolved().problem(shapes[declared.SPEC.input_kind]) is None
for name in FUSIONS.names():
    declared, options = FUSIONS.load(name), FUSIONS.load(name).Options()
    modalities = PAIR if declared.SPEC.words is None else ("audio", declared.SPEC.words)
    assert options.problem(modalities, dict.fromkeys(modalities, 3)) is None
    assert set(options.used_modalities(modalities)) <= set(modalities)
    if isinstance(options, JoinOptions):
        options.join_shapes(dict.fromkeys(modalities, shapes["clip"]))
for name in TRICKS.names():
    TRICKS.load(name).Options().problem(use)
"""

EXPERIMENTS = """
from pathlib import Path
from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.config.yaml_file import read_yaml
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.expand import expand
from affectstore.models.cells.inputs import input_features
from affectstore.models.cells.parents import parents_problem
from affectstore.models.cells.recipe import baseline_recipe_for, recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.preflight.cells import plan_cells

files = Path("workflow/experiments").glob("*.yaml")
given = {path.stem: Experiment(**read_yaml(path)) for path in files}
every = {m: {k: f"{m}-{k}" for k in ("image", "clip", "sequence")} for m in ("audio", "vision", "text")}
modalities = ("audio", "vision", "text")
given["every"] = Experiment(
    title="t", corpus="c", inputs=every, modalities=modalities, encoders="all", fusions="all", images={"image_px": 64}
)
config = Config(**read_yaml(Path("config.yaml")))
assert set(config.experiments) <= set(given)
cells = 0
for name, experiment in expand(Resolved(config, given, {}, {})).experiments.items():
    assert experiment.cells
    for cell in experiment.cells:
        assert cell_problem(experiment, cell) is None, (name, cell.id, cell_problem(experiment, cell))
        assert parents_problem(experiment, cell) is None, (name, cell.id)
        dims = dict.fromkeys(input_features(experiment, cell).values(), 7)
        for one in combinations(experiment, cell):
            if cell.baseline:
                baseline_recipe_for(experiment, one.cell, ("a", "b"))
            else:
                recipe_for(experiment, one.cell, ("a", "b"), dims).without_pretrained()
    plans = plan_cells(name, experiment, (0, 1))
    assert len(plans) == 2 * len(experiment.cells)
    assert all(plan.config or plan.problem for plan in plans)
    cells += len(experiment.cells)
print(cells)
"""


def test_the_hook_forbids_torch(tmp_path: Path) -> None:
    for library in ("torch", "transformers", "lightning_fabric"):
        done = run_without_torch(tmp_path / "hook", "-c", f"import {library}")
        assert done.returncode == 1
        assert f"{library} is imported" in done.stderr


def test_declarations_need_no_torch(tmp_path: Path) -> None:
    done = run_without_torch(tmp_path / "hook", "-c", DECLARATIONS)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_planning_every_cell_of_every_experiment_needs_no_torch(tmp_path: Path) -> None:
    done = run_without_torch(tmp_path / "hook", "-c", EXPERIMENTS)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert int(done.stdout) > 300


@pytest.mark.parametrize("arguments", [["matrix"], ["matrix", "--markdown"], ["weights"], ["--help"], ["train", "-h"]])
def test_listings_need_no_torch(arguments: list[str], tmp_path: Path) -> None:
    done = run_without_torch(tmp_path / "hook", "-m", "affectstore", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    if arguments[0] == "matrix":
        assert "word_gmu" in done.stdout
        assert "videomae" in done.stdout


def test_looking_at_a_corpus_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.wav").write_bytes(small_crema_d.sound(200, 0.2))
    (tmp_path / "mine" / "clips.csv").write_text("path,label,speaker\na.wav,calm,s1\n")
    done = run_without_torch(tmp_path / "hook", "-m", "affectstore", "check", "folder", "mine", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 clips of 1 speakers" in done.stdout
