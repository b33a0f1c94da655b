"""State dicts: accepted and refused files."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from support.small_weights import small_state

from affectstore.errors import ConfigError
from affectstore.weights.state import check_state, read_state

SHAPES = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "bn.num_batches_tracked": ()}


class Code:
    """Object that runs code when its pickle is loaded."""

    def __init__(self, marker: Path):
        self._marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self._marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_read(tmp_path: Path, zipped: bool) -> None:
    state = small_state(SHAPES)
    torch.save(state, tmp_path / "w", _use_new_zipfile_serialization=zipped)
    loaded = read_state(tmp_path / "w")
    check_state(loaded, SHAPES, tmp_path / "w")
    assert all(torch.equal(loaded[name], state[name]) for name in SHAPES)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_code_is_refused_and_does_not_run(tmp_path: Path, zipped: bool, beside: bool) -> None:
    code = Code(tmp_path / "ran")
    torch.save({**small_state(SHAPES), "code": code} if beside else code, tmp_path / "w",
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(ConfigError, match="is refused: it holds more than tensors") as error:
        read_state(tmp_path / "w")
    assert str(tmp_path / "w") in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_plain_pickle_of_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(pickle.dumps(Code(tmp_path / "ran"), protocol=2))
    with pytest.raises(ConfigError):
        read_state(tmp_path / "w")
    assert not (tmp_path / "ran").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w")
    with pytest.raises(ConfigError, match=r"is refused.*Linear"):
        read_state(tmp_path / "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, zipped: bool) -> None:
    torch.save({"a": torch.arange(5000.0)}, tmp_path / "w", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "w").read_bytes()
    for part in (0.0, 0.01, 0.1, 0.5, 0.99):
        (tmp_path / "w").write_bytes(content[: int(part * len(content))])
        with pytest.raises(ConfigError, match=r"is no whole file of weights|is refused"):
            read_state(tmp_path / "w")


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"PK\x03\x04 no archive", b"\x80\x02."])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ConfigError, match=str(tmp_path / "w")):
        read_state(tmp_path / "w")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ConfigError, match="is no whole file of weights"):
        read_state(tmp_path / "w")


@pytest.mark.parametrize("value", [[torch.zeros(2)], {"a": 3.0}, {1: torch.zeros(2)}, torch.zeros(2)])
def test_other_than_names_and_tensors_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w")
    with pytest.raises(ConfigError, match="holds no state dict"):
        read_state(tmp_path / "w")


def test_names_that_lack_or_are_strange_are_said() -> None:
    state = {"conv.weight": torch.zeros(8, 3, 3, 3), "fc.weight": torch.zeros(1)}
    with pytest.raises(ConfigError, match=r"it lacks conv.bias and has fc.weight, which the network has not"):
        check_state(state, SHAPES, Path("w"))


def test_shapes_that_differ_are_said() -> None:
    state = {"conv.weight": torch.zeros(8, 1, 3, 3), "conv.bias": torch.zeros(8)}
    with pytest.raises(ConfigError, match=r"conv.weight is \(8, 1, 3, 3\), needs \(8, 3, 3, 3\)"):
        check_state(state, SHAPES, Path("w"))


def test_many_differences_are_counted() -> None:
    shapes = {f"layer{k}": (k + 1,) for k in range(9)}
    with pytest.raises(ConfigError, match="and 4 more"):
        check_state({}, shapes, Path("w"))
    with pytest.raises(ConfigError, match="and 4 more"):
        check_state({name: torch.zeros(20) for name in shapes}, shapes, Path("w"))


def test_numbers_that_are_not_finite_are_refused() -> None:
    state = {"conv.weight": torch.zeros(8, 3, 3, 3), "conv.bias": torch.full((8,), torch.nan)}
    with pytest.raises(ConfigError, match=r"conv\.bias holds numbers that are not finite"):
        check_state(state, SHAPES, Path("w"))


def test_the_counters_of_old_files_may_lack() -> None:
    check_state({"conv.weight": torch.zeros(8, 3, 3, 3), "conv.bias": torch.zeros(8)}, SHAPES, Path("w"))
