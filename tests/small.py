"""Small recipes, networks and corpora that tests of several rooms share."""

import json
from pathlib import Path

import numpy as np
import pytest

from phonoscope.audio import write_audio

RATE = 8000  # Hz, of the corpora

PHONES = {
    "name": "mini",
    "front_end": {"kind": "spectrogram", "max_hz": 4000, "rows": 16, "columns": 16},
    "network": {"name": "compact-local"},
    "training": {"epochs": 3, "min_steps": 0},
}
VOWELS = PHONES | {
    "title": "A small experiment",
    "question": "Does it run?",
    "paper": "4.2",
    "tokens": {"classes": "vowels", "min_duration": 0.05},
    "synthetic": {"talkers": 12, "repeats": 2, "vowels": ["i", "æ", "ɝ", "ɑ", "u"], "consonants": []},
}
THREE_VOWELS = PHONES | {
    "paper": "4.2",
    "tokens": {"classes": "i,ae,u"},
    "front_end": PHONES["front_end"] | {"rows": 8, "columns": 8},
}
TONES = {
    "name": "tones",
    "task": "words",
    "title": "Low and high tones",
    "question": "Can it hear pitch?",
    "sample_rate": RATE,
    "seconds": 0.25,
    "networks": ["sub-segmental", "multi-resolution"],
    "curve": [0.5],
    "null_seeds": 3,
    "clips_per_class": 5,
    "training": {"epochs": 3, "min_steps": 0, "batch_size": 16, "noise": 0.0},
}


def recipe_text(recipe: dict, **changes) -> str:
    """TOML of a recipe with keys changed, in sections too: ``recipe_text(PHONES, training={"epochs": 2})``."""
    sections = {key: recipe.get(key, {}) | value for key, value in changes.items() if isinstance(value, dict)}
    changed = recipe | changes | sections
    lines = _lines({key: value for key, value in changed.items() if not isinstance(value, dict)})
    for section, values in changed.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *_lines(values)]
    return "\n".join(lines) + "\n"


def _lines(values: dict) -> list[str]:
    # Texts, numbers and lists of them are written alike in JSON and in TOML.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def speech_encoder(family: str, channels: int, **options):
    """An encoder of transformers (Wav2Vec2, Hubert, WavLM) with random weights; skips where transformers is missing."""
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{family}Config")(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        conv_dim=(channels,) * 7,
        **options,
    )
    return getattr(transformers, f"{family}Model")(config)


def write_tones(root: Path) -> None:
    """Two "words", a low and a high tone, of twenty speakers."""
    time, random = np.arange(RATE // 4) / RATE, np.random.default_rng(0)
    for word, hz in {"low": 300.0, "high": 1800.0}.items():
        for speaker in range(20):
            wave = np.sin(2 * np.pi * hz * random.uniform(0.95, 1.05) * time + random.uniform(0, 6))
            wave = 0.2 * wave + 0.02 * random.standard_normal(len(time))
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave.astype(np.float32), RATE)


def write_noises(root: Path) -> None:
    """Noises of different colour by ten speakers, two words each."""
    random = np.random.default_rng(0)
    for word in ("yes", "no"):
        for speaker in range(10):
            noise = random.standard_normal(RATE // 2)
            wave = 0.1 * np.convolve(noise, [1, random.uniform(-0.5, 0.9)], mode="same")
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave.astype(np.float32), RATE)
