"""Folders of transformers models: found on this machine and verified, or explained where they are missing.

A model is named by its id on the Hugging Face hub (`google-bert/bert-base-uncased`) and revision, or by a
folder. An id is searched in `weights/<organisation>--<name>/` of the working folder, then in the hub's
cache. Nothing here opens a connection: for a missing model there is a message with the command that gets it.
Weights are read from safetensors only, which hold no code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectstore.digest import digest
from affectstore.errors import ConfigError
from affectstore.weights.find import FOLDER
from affectstore.weights.remembered import remembered_digest

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
#: Kinds of files that a model may need beside its configuration and weights; one of each kind must exist.
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json")
PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")

#: Further files that change a model's output; a missing one counts as absent.
_ALSO_READ = (
    *TOKENIZER,
    *PREPROCESSOR,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "normalizer.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "generation_config.json",
)
_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Organisations whose models had ids without an organisation, which older caches still use.
_ONCE_WITHOUT = frozenset({"google-bert", "FacebookAI", "distilbert", "albert"})


@dataclass(frozen=True)
class PublishedModel:
    """A model that is known here.

    Attributes:
        used_by: The extractor, or the encoder and the option, that asks for it.
        revision: Commit or branch used where none is asked for.
        sha256: Digest of its `model.safetensors`; None where no reliable one is known.
        hidden_size: Width of its hidden states.
    """

    used_by: str
    revision: str
    sha256: str | None
    hidden_size: int


#: By id.
KNOWN_MODELS: Mapping[str, PublishedModel] = {
    "google-bert/bert-base-uncased": PublishedModel(
        "bert",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        768,
    ),
    "facebook/wav2vec2-base-960h": PublishedModel(
        "transcript",
        "22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
        "8aa76ab2243c81747a1f832954586bc566090c83a0ac167df6f31f0fa917d74a",
        768,
    ),
    "google/vit-base-patch16-224-in21k": PublishedModel("pt_vit with `weights: google/...`", "main", None, 768),
    "MCG-NJU/videomae-base-finetuned-kinetics": PublishedModel(
        "videomae with `weights: MCG-NJU/...`", "main", None, 768
    ),
}


@dataclass(frozen=True)
class ModelName:
    """Reference to a model.

    Attributes:
        model: Id on the hub, or a folder.
        revision: Branch, tag or commit of an id; None for the known one, else "main".
        sha256: Required digest of `model.safetensors`; None for the known one, else any.
    """

    model: str
    revision: str | None = None
    sha256: str | None = None

    @property
    def is_folder(self) -> bool:
        """True if `model` names a folder."""
        return self.model.startswith((".", "/", "~")) or Path(self.model, CONFIG).is_file()

    @property
    def known(self) -> PublishedModel | None:
        """Published entry of the model in this revision; None if there is none."""
        known = None if self.is_folder else KNOWN_MODELS.get(self.model)
        return known if known is not None and self.revision in (None, known.revision) else None

    @property
    def wanted_revision(self) -> str:
        """Revision to search for."""
        return self.revision or (self.known.revision if self.known else "main")

    @property
    def wanted_sha256(self) -> str | None:
        """Required digest of the weights; None for any."""
        return self.sha256 or (self.known.sha256 if self.known else None)


@dataclass(frozen=True)
class ModelFolder:
    """A model that was found and verified.

    Attributes:
        folder: Folder of its files.
        digests: sha256 of every file that changes its output, by name.
    """

    folder: Path
    digests: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest over its files; the same in any folder."""
        return digest(dict(self.digests))

    @property
    def network_digest(self) -> str:
        """Digest over configuration and weights alone, without tokenizer and preprocessor."""
        return digest({name: sha256 for name, sha256 in self.digests.items() if name not in _ALSO_READ})

    def config(self) -> dict[str, Any]:
        """Read its config.json.

        Raises:
            ConfigError: The file is no JSON object.
        """
        return _json(self.folder / CONFIG)


def find_model(name: ModelName, needs: Sequence[tuple[str, ...]] = (), *, weights: bool = True) -> ModelFolder:
    """Find the folder of a model, complete and verified.

    Args:
        name: Reference to the model.
        needs: Kinds of files that it needs beside configuration and weights (`TOKENIZER`, `PREPROCESSOR`).
        weights: True if it needs weights; without them the folder defines only the shape of a network.

    Raises:
        ConfigError: The model is in none of its folders, or incomplete (the message lists the folders and how
            to get it); or its weights have another digest, or are pickles.
    """
    problems = []
    for label, folder in _search_folders(name).items():
        problem = "not there" if folder is None or not folder.is_dir() else _find_problem(folder, needs, weights)
        if folder is not None and problem is None:
            return ModelFolder(folder, _verify(folder, name, weights))
        problems.append(f"{label} ({problem})")
    raise ConfigError(
        f"model {name.model!r} (revision {name.wanted_revision}) is not on this machine; looked for in "
        f"{', '.join(problems)}. {_remedy(name, needs)}"
        if not name.is_folder
        else f"model folder {problems[0]}: it needs {CONFIG}, {WEIGHTS}"
        + "".join(f", {' or '.join(kind)}" for kind in needs)
    )


def _search_folders(name: ModelName) -> dict[str, Path | None]:
    """List the folders to search, in this order, by their name in messages."""
    if name.is_folder:
        folder = Path(name.model).expanduser()
        return {str(folder.absolute()): folder}
    if not _ID.fullmatch(name.model):
        raise ConfigError(
            f"model {name.model!r} is neither a folder nor an id like google-bert/bert-base-uncased; "
            "a folder is written with a path that begins with ./, / or ~"
        )
    from huggingface_hub import constants, try_to_load_from_cache

    own = FOLDER / name.model.replace("/", "--")
    folders: dict[str, Path | None] = {str(own.absolute()): own}
    organisation, _, bare = name.model.partition("/")
    for repository in (name.model, *([bare] if organisation in _ONCE_WITHOUT else [])):
        cached = try_to_load_from_cache(
            repository, CONFIG, cache_dir=constants.HF_HUB_CACHE, revision=name.wanted_revision
        )
        label = f"{constants.HF_HUB_CACHE}/models--{repository.replace('/', '--')}"
        folders[label] = Path(cached).parent if isinstance(cached, str) else None
    return folders


def _find_problem(folder: Path, needs: Sequence[tuple[str, ...]], weights: bool) -> str | None:
    """Describe the missing parts of a model's folder; None if it is complete."""
    missing = [] if (folder / CONFIG).is_file() else [CONFIG]
    missing += [" or ".join(kind) for kind in needs if not any((folder / file).is_file() for file in kind)]
    if weights:
        missing += [file for file in _weight_files(folder) or [WEIGHTS] if not (folder / file).is_file()]
    pickled = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
    if pickled and WEIGHTS in missing:
        return (
            f"its weights {pickled[0]} are a pickle, which is not loaded; convert them once where they are trusted, by "
            f"AutoModel.from_pretrained(folder).save_pretrained(folder), or get {WEIGHTS}"
        )
    return f"it lacks {', '.join(missing)}" if missing else None


def _weight_files(folder: Path) -> list[str]:
    """List the names of the files that hold the weights; none if there are no weights."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        return []
    parts = _json(folder / WEIGHTS_INDEX).get("weight_map")
    if not isinstance(parts, dict) or not all(
        isinstance(part, str) and Path(part).name == part for part in parts.values()
    ):
        raise ConfigError(f"{folder / WEIGHTS_INDEX} does not say which files of its folder hold the weights")
    return [WEIGHTS_INDEX, *sorted(set(parts.values()))]


def _verify(folder: Path, name: ModelName, weights: bool) -> dict[str, str]:
    """Compute and compare the digests of the files, by name.

    Raises:
        ConfigError: A file cannot be read, or is not the one that its name or the caller requires.
    """
    files = [CONFIG, *(file for file in _ALSO_READ if (folder / file).is_file())]
    heavy = _weight_files(folder) if weights else []
    digests = {}
    for file in sorted({*files, *heavy}):
        try:
            digests[file] = remembered_digest(folder / file)
        except OSError as error:
            raise ConfigError(f"{folder / file} cannot be read: {error.strerror or error}") from error
        blob = (folder / file).resolve()
        # The hub's cache names large files by their digest.
        if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name) and blob.name != digests[file]:
            raise ConfigError(
                f"{folder / file} is damaged: its sha256 is {digests[file]}; delete {blob} and get it again"
            )
    wanted = name.wanted_sha256
    if weights and wanted is not None and digests.get(WEIGHTS) != wanted:
        raise ConfigError(
            f"{folder / WEIGHTS} is not the file that is meant by {name.model} (revision {name.wanted_revision}): its "
            f"sha256 is {digests.get(WEIGHTS, 'none, as the weights are in several files')}, expected {wanted}; "
            "delete the folder and get it again, or name it as a folder of its own (./weights/...)"
        )
    return digests


def _remedy(name: ModelName, needs: Sequence[tuple[str, ...]]) -> str:
    files = ["*.json", "*.txt", "*.safetensors"] if needs else [CONFIG, "*.safetensors"]
    include = " ".join(f"--include '{file}'" for file in files)
    folder = (FOLDER / name.model.replace("/", "--")).absolute()
    return (
        f"See https://huggingface.co/{name.model}/tree/{name.wanted_revision}; where there is a network, get it with: "
        f"hf download {name.model} --revision {name.wanted_revision} {include} --local-dir {folder}"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no JSON object")
    return value
