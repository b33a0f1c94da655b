"""Small transformers that tests build, with known outputs where the docstrings name them.

Their weights are random, but for the last layer of the speech recognisers: it is solved for, so that the
recogniser outputs for one recording the text that the test wants.
"""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np

#: Words and pieces of the tiny BERT; every letter, alone or inside a word, is a piece too.
BERT_WORDS = ("that", "is", "un", "##believ", "##able", "the", "door", "silence", "laugh", "##ter", "breath", "##ing")


def tiny_bert(folder: Path, *, positions: int = 40, hidden: int = 16, dtype: str = "float32") -> Path:
    """A BERT of two layers for `BERT_WORDS`, saved with its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *BERT_WORDS]
    vocab += [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), "'"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": positions}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=positions,
        initializer_range=0.3,  # so that words and their order matter
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        BertModel(config).to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def tiny_ctc(folder: Path, samples: np.ndarray, frames: Sequence[str]) -> Path:
    """A wav2vec 2.0 with a CTC head that outputs, for one recording, one character per frame of 20 ms.

    Its output for a frame depends on the 25 ms of audio under it alone, wherever they are.

    Args:
        folder: Where it is saved.
        samples: Recording, float32 (sample,) at 16 kHz, in [-1, 1).
        frames: Output of each frame: a capital letter, "|" between words, or "" for nothing.
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    folder.mkdir(parents=True, exist_ok=True)
    vocab = {
        name: number for number, name in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *string.ascii_uppercase, "'"])
    }
    (folder / "vocab.json").write_text(json.dumps(vocab))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False, do_normalize=False)
    config = Wav2Vec2Config(
        vocab_size=len(vocab),
        hidden_size=256,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=512,
        conv_dim=(16,) * 7,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = Wav2Vec2ForCTC(config).eval()
        torch.nn.init.normal_(model.wav2vec2.feature_projection.projection.weight, std=2)
        torch.nn.init.normal_(model.wav2vec2.feature_projection.projection.bias, std=2)
    encoder = model.wav2vec2.encoder
    for blind in (
        encoder.pos_conv_embed.conv.parametrizations.weight.original0,
        encoder.layers[0].attention.out_proj.weight,
    ):
        torch.nn.init.zeros_(blind)
    torch.nn.init.normal_(encoder.layers[0].feed_forward.intermediate_dense.weight, std=0.2)
    torch.nn.init.normal_(encoder.layers[0].feed_forward.output_dense.weight, std=0.2)
    with torch.inference_mode():
        given = extractor(samples, sampling_rate=16000, return_tensors="pt")
        states = model.wav2vec2(given.input_values).last_hidden_state[0].double().numpy()
    assert len(states) == len(frames), f"the recording has {len(states)} frames"
    wanted = np.zeros((len(frames), len(vocab)))
    wanted[np.arange(len(frames)), [vocab[name or "<pad>"] for name in frames]] = 10
    _solve(model.lm_head, states, wanted)
    for part in (model, tokenizer, extractor):
        part.save_pretrained(folder)
    return folder


def tiny_whisper(folder: Path, samples: np.ndarray, text: str, *, word_times: bool = True) -> Path:
    """A Whisper that outputs, for one recording, a text of lower-case words.

    Args:
        folder: Where it is saved.
        samples: Recording, float32 (sample,) at 16 kHz, in [-1, 1).
        text: The recognised text.
        word_times: Its generation configuration names the attention heads that word times come from.
    """
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _whisper_tokenizer()
    extractor = WhisperFeatureExtractor(feature_size=8)
    number = tokenizer.convert_tokens_to_ids
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=8,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_target_positions=448,
        tie_word_embeddings=False,
        pad_token_id=number("<|endoftext|>"),
        bos_token_id=number("<|endoftext|>"),
        eos_token_id=number("<|endoftext|>"),
        decoder_start_token_id=number("<|startoftranscript|>"),
        init_std=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = WhisperForConditionalGeneration(config).eval()
        torch.nn.init.normal_(model.model.decoder.embed_positions.weight, std=0.5)
    model.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={"<|en|>": number("<|en|>")},
        task_to_id={"transcribe": number("<|transcribe|>"), "translate": number("<|translate|>")},
        no_timestamps_token_id=number("<|notimestamps|>"),
        decoder_start_token_id=number("<|startoftranscript|>"),
        eos_token_id=number("<|endoftext|>"),
        pad_token_id=number("<|endoftext|>"),
        max_length=100,
        max_initial_timestamp_index=50,
        **({"alignment_heads": [[0, 0], [0, 1]]} if word_times else {}),
    )
    _fit_whisper(model, tokenizer, extractor, samples, text)
    for part in (model, tokenizer, extractor):
        part.save_pretrained(folder)
    return folder


#: Characters of the tiny Whisper's vocabulary; the last is a blank to byte-level tokenizers.
_LETTERS = ["!", *string.ascii_lowercase, "\u0120"]


def _whisper_tokenizer():
    """Build a tokenizer of letters, with Whisper's special tokens."""
    from transformers import WhisperTokenizer

    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    vocab = {token: number for number, token in enumerate([*_LETTERS, *special])}
    tokenizer = WhisperTokenizer(vocab=vocab, merges=[], language="en")
    tokenizer.add_tokens(special, special_tokens=True)
    return tokenizer


def _fit_whisper(model, tokenizer, extractor, samples: np.ndarray, text: str) -> None:
    """Set the last layer so that a recording is transcribed as a text, with time stamps and without."""
    import torch

    number = tokenizer.convert_tokens_to_ids
    prompt = [number(token) for token in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")]
    spoken = [_LETTERS.index("\u0120" if letter == " " else letter) for letter in f" {text}"]
    timed = [*prompt, number("<|0.00|>"), *spoken, number("<|1.00|>"), number("<|endoftext|>")]
    plain = [*prompt, number("<|notimestamps|>"), *spoken, number("<|endoftext|>")]
    states, wanted = [], []
    with torch.inference_mode():
        features = extractor(samples, sampling_rate=16000, return_tensors="pt").input_features
        for ids, given in ((timed, len(prompt)), (plain, len(prompt) + 1)):
            decoded = model.model(input_features=features, decoder_input_ids=torch.tensor([ids[:-1]]))
            states.append(decoded.last_hidden_state[0, given - 1 :].double().numpy())
            wanted += ids[given:]
    target = np.zeros((len(wanted), len(tokenizer)))
    target[np.arange(len(wanted)), wanted] = 20
    _solve(model.proj_out, np.concatenate(states), target)


def _solve(layer, states: np.ndarray, wanted: np.ndarray) -> None:
    """Set a linear layer's weights so that it maps each state to the numbers wanted."""
    import torch

    solution, *_ = np.linalg.lstsq(states, wanted, rcond=None)
    error = np.abs(states @ solution - wanted).max()
    assert error < 1, f"{len(states)} states are not distinguishable: {np.linalg.svd(states)[1]}"
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(solution.T))
        if layer.bias is not None:
            layer.bias.zero_()
