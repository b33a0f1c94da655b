"""VideoMAE (Tong et al. 2022): a vision transformer on a whole clip, of the transformers library.

Patches span 2 frames and 16x16 pixels; every token attends to every other, so memory grows with the square of frames x
height x width. The vector is the mean over all tokens, normalised, with dropout in training. The defaults are the base
model of the shared-encoder study on CREMA-D (document 001), which starts from MCG-NJU/videomae-base-finetuned-kinetics
on 32 evenly spaced frames (`images.frames`). Its positions are fixed sinusoids, so the same weights fit 16 or 32 frames
and images of any size, also joined ones: frames of 208 rows over spectrograms of 16, or two whole images side by side.
Frames and images that are no multiple of a patch are padded with zeros.

`stem: cnn3d` puts two 3D convolutions before the transformer, which the study proposes as the next step against
redundant pixels and the cost of attention: 16 channels, kernel 3, half the height and width, ReLU; then 3 channels,
kernel 3 (its sizes are not stated there). The transformer then reads a quarter of the tokens.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from affectstore.models.blocks.options import heads_divide
from affectstore.models.blocks.pretrained import HubOptions
from affectstore.models.blocks.pretrained_state import hub_state
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import ClipShape, EncoderSpec

SPEC = EncoderSpec(
    version=1,
    summary="vision transformer on a whole clip",
    input_kind="clip",
    output_kind="vector",
    paper="Tong et al. 2022, VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video "
    "Pre-Training (section 3)",
)

#: Option -> its name in the model's configuration.
_SIZES = {
    "patch_px": "patch_size",
    "patch_frames": "tubelet_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn_dim": "intermediate_size",
}
_FIXED = ("hidden_act", "layer_norm_eps", "qv_bias", "use_mean_pooling")
_FIRST = "videomae.embeddings.patch_embeddings.projection.weight"
_STEM_CHANNELS = (16, 3)


class Options(HubOptions):
    """Options of VideoMAE."""

    renamed: ClassVar[Mapping[str, str]] = {"mlp": "ffn_dim"}

    weights: str = Field(
        default="random",
        min_length=1,
        description="Weights that training starts from: `random`, or the id or folder of a VideoMAE model, such as "
        "MCG-NJU/videomae-base-finetuned-kinetics.",
    )
    stem: Literal["none", "cnn3d"] = Field(
        default="none",
        description="Network before the transformer: none, or a small 3D CNN that halves height and width.",
    )
    patch_px: int = Field(default=16, ge=1, description="Side of each patch, in pixels.")
    patch_frames: int = Field(default=2, ge=1, description="Frames of each patch.")
    dim: int = Field(default=768, ge=1, description="Dimension of each token, and of the vector.")
    layers: int = Field(default=12, ge=1, description="Transformer layers.")
    heads: int = Field(default=12, ge=1, description="Attention heads; they divide `dim`.")
    ffn_dim: int = Field(default=3072, ge=1, description="Hidden units of each layer's feed-forward network.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout on the vector.")

    _heads_divide = heads_divide("dim")


class VideoMAE(Encoder):
    """Encode a clip with a vision transformer on patches of space and time (Tong et al. 2022, section 3).

    Raises:
        ConfigError: The published model is missing, or its sizes are not those of the options.
    """

    def __init__(self, shape: ClipShape, options: Options) -> None:
        super().__init__()
        self.output_dim = options.dim
        self.patch = (options.patch_frames, options.patch_px, options.patch_px)
        self.dropout = nn.Dropout(options.dropout)
        self.stem: nn.Module = nn.Identity()
        channels, *lengths = shape.size
        if options.stem == "cnn3d":
            hidden, channels = _STEM_CHANNELS
            self.stem = nn.Sequential(
                nn.Conv3d(shape.channels, hidden, 3, stride=(1, 2, 2), padding=1),
                nn.ReLU(),
                nn.Conv3d(hidden, channels, 3, padding=1),
            )
            lengths = [shape.frames, -(-shape.height_px // 2), -(-shape.width_px // 2)]
        frames, height_px, width_px = (n + pad for n, pad in zip(lengths, self._padding(lengths), strict=True))
        sizes = {entry: getattr(options, option) for option, entry in _SIZES.items()}
        sizes |= {"num_channels": channels, "num_frames": frames, "image_size": (height_px, width_px)}
        sizes |= {"num_labels": 0}  # no labels: no classifier
        self.network = VideoMAEForVideoClassification(VideoMAEConfig(**sizes))
        if options.pretrained:
            auto = "AutoModelForVideoClassification"
            self.network.load_state_dict(hub_state(auto, options.model_name, self.network, _SIZES, _FIXED, _FIRST))

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Clips (clip, channel, frame, height, width) to vectors (clip, output_dim)."""
        values = self.stem(values)
        frames, height_px, width_px = self._padding(values.shape[2:])
        values = F.pad(values, (0, width_px, 0, height_px, 0, frames))
        return Encoded(self.dropout(self.network(pixel_values=values.transpose(1, 2)).logits))

    def _padding(self, lengths: Sequence[int]) -> list[int]:
        """Numbers of frames, rows and columns that lack to a multiple of a patch."""
        return [-length % patch for length, patch in zip(lengths, self.patch, strict=True)]


build = VideoMAE
