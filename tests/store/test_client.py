"""Open stores in folders, archives, memory and behind a web server."""

from __future__ import annotations

import functools
import http.server
import importlib.metadata
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

import affectstore
from affectstore.errors import StoreError
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec

Clip = Callable[..., ClipArrays]


@pytest.fixture
def store(published: Path, clip: Clip, write_shard: Callable[..., Ledger]) -> Path:
    """`mel`, and the same compressed, as images and in HDF5; clips and a split beside them."""
    images = (ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (16, 16, 3), "jpeg"),)
    zipped = (ArraySpec("values", "float32", ("column", "band"), (5,), "zstd"),)
    write_shard(published / "frames", "0", {"a": clip(1, specs=images)}, specs=images)
    write_shard(published / "small", "0", {"a": clip(1), "b": clip(2, rows=3)}, specs=zipped)
    write_shard(published / "hdf", "0", {"a": clip(1), "b": clip(2, rows=3)}, container="hdf5")
    for name in ("frames", "small", "hdf"):
        commit(published / name, ["0"], {})
    pd.DataFrame({"clip_id": ["a", "b", "c"], "speaker": ["1", "1", "2"]}).to_parquet(published / "clips.parquet")
    (published / "splits").mkdir()
    pd.DataFrame({"fold": [0], "clip_id": ["a"], "subset": ["train"]}).to_parquet(
        published / "splits" / "speaker_independent.parquet"
    )
    return published


@pytest.fixture
def served(store: Path) -> Iterator[str]:
    """Address of the store behind a web server on this machine."""
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Quiet, directory=str(store.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{store.name}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def check(address: str, clip: Clip) -> None:
    store = affectstore.open(address)
    for name in ("mel", "small", "hdf"):
        np.testing.assert_array_equal(store[name]["b"], clip(2, rows=3).arrays["values"])
        np.testing.assert_array_equal(store[name]["a"], clip(1).arrays["values"])
    assert store["frames"]["a"].shape == (4, 16, 16, 3)
    values, mask = store["mel"].batch(["a", "c"])
    assert (values.shape, mask.sum()) == ((2, 4, 5), 5)
    assert store["mel"].at("a", 0.0, 0.04).shape == (1, 5)
    assert list(store.clips["speaker"]) == ["1", "1", "2"]
    assert list(store.split("speaker_independent")["subset"]) == ["train"]
    with pytest.raises(KeyError, match="no sound"):
        store["mel"]["mute"]
    with pytest.raises(KeyError, match="no feature 'mels'"):
        store["mels"]


def test_a_folder(store: Path, clip: Clip) -> None:
    check(str(store), clip)
    assert set(affectstore.open(store)) == {"mel", "small", "hdf", "frames"}


def test_a_zip_file(store: Path, clip: Clip, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", store.parent, store.name)
    check(f"zip://{store.name}::{archive}", clip)
    assert affectstore.open(f"zip://{store.name}::{archive}").features == ("frames", "hdf", "mel", "small")


def test_memory(store: Path, clip: Clip) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(str(store), "/stores/corpus", recursive=True)
    try:
        check("memory://stores/corpus", clip)
        assert affectstore.open("memory://stores/corpus").features == ("frames", "hdf", "mel", "small")
    finally:
        fs.rm("/stores", recursive=True)


def test_a_web_server(served: str, clip: Clip) -> None:
    check(served, clip)


def test_folders_that_are_no_store_are_distinguished(store: Path) -> None:
    with pytest.raises(StoreError, match="several corpora; open one of them: corpus"):
        affectstore.open(store.parent)
    with pytest.raises(StoreError, match=r"one feature; .* store\['mel'\]"):
        affectstore.open(store / "mel")
    with pytest.raises(StoreError, match="there is no folder"):
        affectstore.open(store / "nowhere")
    (store / "empty").mkdir()
    with pytest.raises(StoreError, match="has neither"):
        affectstore.open(store / "empty")


def test_names_do_not_leave_the_store(store: Path) -> None:
    opened = affectstore.open(store / ".." / "corpus")
    for name in ("../corpus/mel", "/etc", "", ".."):
        assert name not in opened
        with pytest.raises(KeyError):
            opened[name]
        with pytest.raises(KeyError):
            opened.split(name)


def test_unknown_splits_and_missing_tables(store: Path) -> None:
    opened = affectstore.open(store)
    with pytest.raises(KeyError, match=r"no split 'speaker_dependent'; known: .*Did you mean 'speaker_independent'"):
        opened.split("speaker_dependent")
    (store / "clips.parquet").unlink()
    with pytest.raises(KeyError, match="the table of clips was not published"):
        _ = affectstore.open(store).clips


def test_the_client_is_light(store: Path) -> None:
    """Reading imports none of the packages of extraction and training, and for a feature's folder not even zarr."""
    program = f"""
import sys, affectstore
store = affectstore.open({str(store)!r})
store["mel"]["a"], store.clips
print(sorted({{"torch", "h5py", "librosa", "cv2", "av", "snakemake", "pydantic", "zarr", "scipy"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_version_is_the_distributions() -> None:
    assert affectstore.__version__ == importlib.metadata.version("affectstore")


def test_the_documented_reader_reads(store: Path, clip: Clip) -> None:
    text = (Path(__file__).parents[2] / "docs" / "store-format.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    names: dict[str, Callable[..., np.ndarray]] = {}
    exec(compile(code, "store-format.md", "exec"), names)
    for feature in ("mel", "small"):
        np.testing.assert_array_equal(names["read_clip"](store / feature, "b"), clip(2, rows=3).arrays["values"])
    with pytest.raises(KeyError):
        names["read_clip"](store / "mel", "nobody")


@pytest.mark.filterwarnings("ignore:Object at ledger.json")
def test_xarray_names_the_axes(store: Path) -> None:
    xarray = pytest.importorskip("xarray")
    data = store / "mel" / affectstore.open(store)["mel"].catalog.shards[0].data
    with xarray.open_zarr(data, consolidated=False) as opened:
        assert opened["values"].dims == ("column", "band")
        assert opened["offsets"].dims == ("clip_edge",)
        assert opened["values"].attrs["unit"] == "dB"
