"""The contracts of `affectstore.testing` pass in another package, and fail there where a contract is broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.python import ROOT, prepended, run_python

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
#: The extractor of the page, and the tests of its section on other packages.
LOUDNESS = PAGE.split("loudness.py`\n\n```python\n", 1)[1].split("```", 1)[0]
TESTS = PAGE.split("## Test your own", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
STEP_MEAN = '''"""Mean of projected steps."""

from pydantic import Field
from torch import Tensor, nn

from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(version=1, summary="mean of steps", input_kind="sequence", output_kind="vector", paper="Ours")


class Options(EncoderOptions):
    """Options."""

    hidden_dim: int = Field(default=64, ge=1, description="Length of the vector.")


class StepMean(Encoder):
    """Project each step, and average the valid ones."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        self.output_dim = options.hidden_dim
        self.project = nn.Linear(shape.dim, options.hidden_dim)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Steps (clip, step, dim) to vectors (clip, hidden_dim)."""
        valid = mask.unsqueeze(-1).to(values.dtype)
        return Encoded((self.project(values).tanh() * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1))


build = StepMean
'''


def failures(folder: Path, files: Mapping[str, str]) -> tuple[set[str], int]:
    """Write a package and its tests, and run them; names of the tests that fail, and the number of those that pass."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    arguments = ("-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_contracts.py")
    done = run_python(*arguments, folder=folder, PYTHONPATH=prepended(folder), PYTEST_ADDOPTS="")
    found = set(re.findall(r"^FAILED test_contracts.py::(\w+::\w+)", done.stdout, re.MULTILINE))
    assert done.returncode == bool(found), done.stdout + done.stderr
    return found, len(re.findall(r"^PASSED ", done.stdout, re.MULTILINE))


@pytest.fixture
def files() -> dict[str, str]:
    """A package of one extractor and one encoder with its tests."""
    return {
        "my_package/__init__.py": "",
        "my_package/loudness.py": LOUDNESS,
        "my_package/step_mean.py": STEP_MEAN,
        "test_contracts.py": TESTS,
    }


def test_the_contracts_pass_in_another_package(tmp_path: Path, files: dict[str, str]) -> None:
    failed, passed = failures(tmp_path, files)
    assert failed == set()
    assert passed >= 15


def test_broken_contracts_are_found(tmp_path: Path, files: dict[str, str]) -> None:
    """An encoder that ignores its mask, and an extractor of another type than it declares."""
    for name, right, wrong in (
        ("my_package/step_mean.py", "valid = mask.unsqueeze(-1)", "valid = mask.new_ones((*mask.shape, 1))"),
        ("my_package/loudness.py", ".astype(np.float32)", ".astype(np.float64)"),
    ):
        assert right in files[name]
        files[name] = files[name].replace(right, wrong)
    failed, passed = failures(tmp_path, files)
    assert failed == {
        "TestStepMean::test_a_clip_is_encoded_alike_alone_and_in_any_batch",
        "TestLoudness::test_arrays_are_as_declared",
    }
    assert passed >= 13
