"""Which steps of the other modalities lie under each word of a clip, by the times that features are stored with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectstore.errors import IntegrityError, StoreError
from affectstore.models.base import TrainingError
from affectstore.models.data.sequences import pooling
from affectstore.models.recipe import Recipe
from affectstore.timeline import rows_inside


@dataclass(frozen=True)
class WordSpans:
    """The words of every clip, on the CPU.

    Attributes:
        values: modality -> int64 (word, 2), the clips' words one behind the other: the first and the last + 1 of
            the modality's steps under each.
        edges: int64 (clip + 1,): clip k is words edges[k]:edges[k + 1].
    """

    values: Mapping[str, Tensor]
    edges: Tensor

    def gather(self, place: Tensor, device: torch.device) -> dict[str, Tensor]:
        """The clips at these places: modality -> int64 (clip, word, 2), (0, 0) behind a clip's last word."""
        begins, lengths = self.edges[place], self.edges.diff()[place]
        word = torch.arange(int(lengths.max()))
        mask = word < lengths[:, None]
        rows = torch.where(mask, begins[:, None] + word, begins[:, None])
        return {m: (spans[rows] * mask[..., None]).to(device) for m, spans in self.values.items()}


def untimed(store: Any, recipe: Recipe, clip_ids: Iterable[str]) -> dict[str, str]:
    """Clip id -> why a fusion that goes word by word cannot use it: when its words are spoken is not known.

    Args:
        store: an open store.
        recipe: of the network; of any other fusion it leaves nothing out.
        clip_ids: clips that are usable in every feature.
    """
    reasons: dict[str, str] = {}
    if recipe.words is None:
        return reasons
    features = {recipe.inputs[m]: "words" if m == recipe.words else "rows" for m in recipe.modalities}
    for clip_id in clip_ids:
        for feature, rows in features.items():
            try:
                store[feature].spans_ns(clip_id)
            except IntegrityError:
                raise
            except StoreError:
                reasons.setdefault(clip_id, f"{feature}: the times of its {rows} are not known")
    return reasons


def load_spans(store: Any, recipe: Recipe, clip_ids: Iterable[str]) -> WordSpans | None:
    """The spans of some clips, None where the fusion does not go word by word.

    Under a word are the rows whose middles it holds, or else the row that is nearest. Where the words themselves are
    pooled, a step of theirs spans from its first word to its last; one that `sequences.first` puts before them
    spans the whole clip.

    Args:
        store: an open store.
        recipe: of the network.
        clip_ids: clips for which `untimed` has no reason.

    Raises:
        TrainingError: what the recipe takes for words has other rows.
    """
    if recipe.words is None:
        return None
    words = store[recipe.inputs[recipe.words]]
    if words.spec.dims[0] != "word":
        raise TrainingError(
            f"fusion {recipe.fusion.name!r} goes word by word, and feature {recipe.inputs[recipe.words]!r} has one row "  # type: ignore[union-attr]
            f"a {words.spec.dims[0]}; choose one with `rows: words` under `inputs.{recipe.words}`"
        )
    others = [modality for modality in recipe.modalities if modality != recipe.words]
    found: dict[str, list[np.ndarray]] = {modality: [] for modality in others}
    edges = [0]
    for clip_id in clip_ids:
        spoken = words.spans_ns(clip_id)
        for modality in others:
            rows = store[recipe.inputs[modality]].spans_ns(clip_id)
            found[modality].append(_of_steps(rows_inside(rows, spoken), len(rows), recipe, modality))
        edges.append(edges[-1] + len(found[others[0]][-1]))
    values = {modality: torch.from_numpy(np.concatenate(spans)) for modality, spans in found.items()}
    return WordSpans(values, torch.tensor(edges))


def _of_steps(spans: np.ndarray, rows: int, recipe: Recipe, modality: str) -> np.ndarray:
    """Rows under each word as steps under each step of the words, int64 (step, 2).

    Args:
        spans: int64 (word, 2), first and last + 1 of the rows.
        rows: how many rows the clip has.
        recipe: says how both are pooled, and what is put before them.
        modality: whose rows they are.
    """
    settings, words = recipe.sequences, str(recipe.words)
    together, pool = pooling(len(spans), settings, words), pooling(rows, settings, modality)
    starts = np.arange(0, len(spans), together)
    first = np.minimum.reduceat(spans[:, 0], starts) // pool
    last = -(-np.maximum.reduceat(spans[:, 1], starts) // pool)
    before = int(modality in settings.first)
    steps = np.stack([first, last], axis=1) + before
    if words in settings.first:
        whole = np.array([[0, -(-rows // pool) + before]])
        steps = np.concatenate([whole, steps])
    return steps.astype(np.int64)
