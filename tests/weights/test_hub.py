"""Models of the Hugging Face hub: search, verification and messages."""

from __future__ import annotations

import json
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from support.tiny_models import tiny_bert

from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.weights import hub
from affectstore.weights.hub import PREPROCESSOR, TOKENIZER, ModelName, find_model
from affectstore.weights.hub_load import load_model, load_part, random_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this machine's caches and close the network."""
    from huggingface_hub import constants

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*args: object) -> None:
        raise AssertionError(f"a connection was opened: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "mine")


def cached(made: Path, repository: str, *, revision: str = COMMIT, branch: str = "main") -> Path:
    """Write the model in the layout of the hub's cache: links to blobs, large ones named by their sha256."""
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE, f"models--{repository.replace('/', '--')}")
    snapshot = root / "snapshots" / revision
    for part in (snapshot, root / "blobs", root / "refs"):
        part.mkdir(parents=True)
    (root / "refs" / branch).write_text(revision)
    for file in made.iterdir():
        name = digest_file(file) if file.suffix == ".safetensors" else f"etag-{file.name}"
        shutil.copy(file, root / "blobs" / name)
        (snapshot / file.name).symlink_to(os.path.relpath(root / "blobs" / name, snapshot))
    return snapshot


def test_the_same_model_has_the_same_digest_wherever_it_lies(made: Path, tmp_path: Path):
    explicit = find_model(ModelName(str(made)), (TOKENIZER,))
    assert explicit.folder == made
    in_cache = cached(made, "someone/tiny")
    assert find_model(ModelName("someone/tiny"), (TOKENIZER,)).folder == in_cache
    assert find_model(ModelName("someone/tiny", COMMIT)).folder == in_cache
    own = shutil.copytree(made, Path("weights/someone--tiny"))
    (own / "README.md").write_text("what is not read does not count")
    found = find_model(ModelName("someone/tiny"), (TOKENIZER,))
    assert found.folder == Path("weights/someone--tiny")
    assert find_model(ModelName("./weights/someone--tiny")).digest == found.digest == explicit.digest
    assert set(found.digests) == {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"}


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt"])
def test_every_file_that_is_read_counts(folder: Path, file: str):
    before = find_model(ModelName(str(folder))).digest
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content + b" ")
    assert find_model(ModelName(str(folder))).digest != before
    (folder / file).write_bytes(content)
    assert find_model(ModelName(str(folder))).digest == before
    (folder / "added_tokens.json").write_text("{}")
    assert find_model(ModelName(str(folder))).digest != before


def test_a_missing_model_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        find_model(ModelName("google-bert/bert-base-uncased"), (TOKENIZER,))
    message = str(caught.value)
    commit = "86b5e0934494bd15c9632b12f734a8a67f723594"
    folder = tmp_path / "work" / "weights" / "google-bert--bert-base-uncased"
    assert f"'google-bert/bert-base-uncased' (revision {commit}) is not on this machine" in message
    assert f"{folder} (not there)" in message
    assert f"{tmp_path}/hub/models--google-bert--bert-base-uncased (not there)" in message
    assert f"{tmp_path}/hub/models--bert-base-uncased (not there)" in message
    assert f"https://huggingface.co/google-bert/bert-base-uncased/tree/{commit}" in message
    assert f"hf download google-bert/bert-base-uncased --revision {commit}" in message
    assert f"--local-dir {folder}" in message


def test_an_older_cache_calls_it_by_its_old_name(made: Path, monkeypatch: pytest.MonkeyPatch):
    snapshot = cached(made, "bert-base-uncased")
    with pytest.raises(ConfigError, match="not on this machine"):  # another commit than the known one
        find_model(ModelName("google-bert/bert-base-uncased"))
    assert find_model(ModelName("google-bert/bert-base-uncased", COMMIT)).folder == snapshot
    with pytest.raises(ConfigError, match="not on this machine"):
        find_model(ModelName("someone/bert-base-uncased", COMMIT))


def test_a_published_model_has_its_digest(made: Path, monkeypatch: pytest.MonkeyPatch):
    own = shutil.copytree(made, Path("weights/google-bert--bert-base-uncased"))
    with pytest.raises(ConfigError, match=r"model\.safetensors is not the file that is meant by google-bert/bert"):
        find_model(ModelName("google-bert/bert-base-uncased"))
    assert find_model(ModelName("google-bert/bert-base-uncased", "other-branch")).folder == own
    right = replace(hub.KNOWN_MODELS["google-bert/bert-base-uncased"], sha256=digest_file(made / "model.safetensors"))
    monkeypatch.setattr(hub, "KNOWN_MODELS", {"google-bert/bert-base-uncased": right})
    assert find_model(ModelName("google-bert/bert-base-uncased")).folder == own
    assert find_model(ModelName("google-bert/bert-base-uncased"), weights=False).folder == own


def test_a_digest_that_was_asked_for(folder: Path):
    sha256 = digest_file(folder / "model.safetensors")
    assert find_model(ModelName(str(folder), sha256=sha256)).digests["model.safetensors"] == sha256
    with pytest.raises(ConfigError, match=f"its sha256 is {sha256}, expected {'0' * 64}"):
        find_model(ModelName(str(folder), sha256="0" * 64))


def test_a_damaged_cache_is_refused(made: Path):
    snapshot = cached(made, "someone/tiny")
    with open((snapshot / "model.safetensors").resolve(), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    with pytest.raises(ConfigError, match=r"model\.safetensors is damaged: its sha256 is .*; delete .*/blobs/"):
        find_model(ModelName("someone/tiny"))


@pytest.mark.parametrize(
    ("file", "lack"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "model.safetensors"),
        ("vocab.txt", "tokenizer.json or vocab.txt or vocab.json"),
    ],
)
def test_an_interrupted_download_is_no_model(made: Path, folder: Path, file: str, lack: str):
    own = shutil.copytree(made, Path("weights/someone--tiny"))
    (own / file).unlink()
    with pytest.raises(ConfigError, match=rf"weights/someone--tiny \(it lacks {lack}\)"):
        find_model(ModelName("someone/tiny"), (TOKENIZER,))
    assert find_model(ModelName("someone/tiny"), weights=False) if file == "model.safetensors" else True
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=rf"model folder {folder} \(it lacks {lack}\): it needs config\.json"):
        find_model(ModelName(f"{folder}/"), (TOKENIZER,))
    cached(made, "someone/tiny")  # the next place is looked at
    assert find_model(ModelName("someone/tiny"), (TOKENIZER,)).folder.parent.name == "snapshots"


def test_pickles_are_refused(folder: Path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"its weights pytorch_model\.bin are a pickle, which is not loaded; convert"):
        find_model(ModelName(str(folder)))


def test_a_recogniser_needs_a_preprocessor(folder: Path):
    with pytest.raises(ConfigError, match=r"lacks preprocessor_config\.json or processor_config\.json"):
        find_model(ModelName(str(folder)), (TOKENIZER, PREPROCESSOR))


def test_weights_in_several_files(folder: Path):
    import safetensors.torch

    state = safetensors.torch.load_file(folder / "model.safetensors")
    names = sorted(state)
    halves = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for file, keys in halves.items():
        safetensors.torch.save_file({key: state[key] for key in keys}, folder / file, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {key: file for file, keys in halves.items() for key in keys}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = find_model(ModelName(str(folder)))
    assert {"a.safetensors", "b.safetensors", "model.safetensors.index.json"} <= set(found.digests)
    assert load_model("AutoModel", found).config.hidden_size == 16
    with pytest.raises(ConfigError, match="none, as the weights are in several files"):
        find_model(ModelName(str(folder), sha256="0" * 64))
    (folder / "b.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"it lacks b\.safetensors"):
        find_model(ModelName(str(folder)))
    index["weight_map"] = dict.fromkeys(names, "../outside.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match="does not say which files of its folder"):
        find_model(ModelName(str(folder)))


@pytest.mark.parametrize("model", ["a/b/c", "no such model", "org/../other", ""])
def test_names_that_are_none(model: str):
    with pytest.raises(ConfigError, match="is neither a folder nor an id"):
        find_model(ModelName(model))


def test_weights_of_another_shape_are_refused(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(
        ConfigError, match=r"not those of a BertModel with this configuration: .*another shape.* and \d+ more"
    ):
        load_model("AutoModel", find_model(ModelName(str(folder))))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ConfigError, match=r"encoder\.layer\.2\.\S+ is missing"):
        load_model("AutoModel", find_model(ModelName(str(folder))))


@pytest.mark.parametrize("damage", ["truncated", "no safetensors", "a pickle"])
def test_damaged_weights_are_refused(folder: Path, damage: str):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(
        {"truncated": content[: len(content) // 2], "no safetensors": b"x" * 100, "a pickle": b"\x80\x04."}[damage]
    )
    with pytest.raises(ConfigError, match=f"{folder}: AutoModel cannot read it: "):
        load_model("AutoModel", find_model(ModelName(str(folder))))


def test_code_of_a_model_is_not_run(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "new", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nConfig = Model = object\n")
    with pytest.raises(ConfigError, match="AutoModel cannot read it"):
        load_model("AutoModel", find_model(ModelName(str(folder))))
    assert not (folder / "ran").exists()


def test_loading_gives_float32_and_what_was_saved(tmp_path: Path, made: Path):
    import torch

    half = find_model(ModelName(str(tiny_bert(tmp_path / "half", dtype="float16"))))
    model = load_model("AutoModel", half)
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert not model.training
    full = load_model("AutoModel", find_model(ModelName(str(made))))
    assert torch.allclose(model.get_input_embeddings().weight, full.get_input_embeddings().weight, atol=1e-3)


def test_random_weights_are_the_same_each_time(folder: Path):
    import torch

    (folder / "model.safetensors").unlink()
    found = find_model(ModelName(str(folder)), weights=False)
    torch.manual_seed(1)
    one = random_model("AutoModel", found).state_dict()
    torch.manual_seed(2)
    other = random_model("AutoModel", found).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one["embeddings.word_embeddings.weight"].std() > 0.1


def test_parts_that_cannot_be_read(folder: Path):
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ConfigError, match=f"{folder}: AutoTokenizer cannot read it"):
        load_part("AutoTokenizer", find_model(ModelName(str(folder))))
    (folder / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"config\.json holds no JSON object"):
        find_model(ModelName(str(folder))).config()
