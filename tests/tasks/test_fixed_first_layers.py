"""A first layer that learns nothing has no random layers beside it: tasks say so, and go on."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import phonoscope as ps
from phonoscope.filters import bank_of
from phonoscope.tasks.recordings.spectra import listen
from phonoscope.tasks.spoof.claims import Context, spoof_claims
from phonoscope.tasks.spoof.judge import LAYER, RANDOM, SPECTRUM, Problem, hear, tell_apart
from phonoscope.tasks.spoof.material import Clip
from phonoscope.tasks.spoof.page import _findings, rows_of, spoof_figure

RATE, SAMPLES = 8000, 1600
TOKENS = pd.DataFrame(
    [{"token": str(i), "class": "ab"[i % 2], "speaker": str(i // 2), "recording": str(i)} for i in range(8)]
)
WAVES = [np.random.default_rng(i).normal(scale=0.1, size=SAMPLES).astype(np.float32) for i in range(8)]


class Bands(nn.Module):
    """Sinc filters between edges in Hz, which are learned or fixed, and scores of two classes."""

    def __init__(self, learned):
        super().__init__()
        edges = torch.linspace(40.0, 3400, 9)
        for name, values in {"low": edges[:-1], "width": edges.diff()}.items():
            setattr(self, name, nn.Parameter(values)) if learned else self.register_buffer(name, values)
        self.register_buffer("times", torch.arange(-20, 21) / RATE)
        self.scores = nn.Linear(8, 2)

    def forward(self, sounds):
        low, high = self.low.abs()[:, None], (self.low.abs() + self.width.abs())[:, None]
        filters = 2 * high * torch.sinc(2 * high * self.times) - 2 * low * torch.sinc(2 * low * self.times)
        return self.scores(F.conv1d(sounds, filters[:, None], stride=4).abs().mean(2))


def wav2vec2(frozen):
    transformers = pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    sizes |= {"conv_dim": [4] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 1}
    sizes |= {"classifier_proj_size": 4, "num_labels": 2}
    model = transformers.Wav2Vec2ForSequenceClassification(transformers.Wav2Vec2Config(**sizes)).eval()
    if frozen:
        model.freeze_feature_encoder()
    return model


def heard(network, seeds=3):
    classifier = ps.wrap(network, RATE, ["a", "b"])
    bank = bank_of(classifier, RATE)
    tables = listen([classifier], [bank], WAVES, TOKENS, null_seeds=seeds, seed=0)
    return bank, tables


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (lambda: Bands(learned=True), "parameters"),
        (lambda: Bands(learned=False), "fixed"),
        (lambda: wav2vec2(frozen=False), "free filters"),
    ],
    ids=["sinc", "fixed sinc", "wav2vec 2.0"],
)
def test_response_spectra_of_a_task_stand_beside_random_layers_only_where_there_are_any(network, kind):
    torch.manual_seed(0)
    bank, tables = heard(network())
    drawn = kind != "fixed"
    assert tables["nulls"].iloc[0].to_dict() == {"kind": kind, "words": bank.untrained.words, "layers": 3 * drawn}
    assert tables["curves"]["learned"].notna().all()
    assert tables["bands"]["share"].notna().all()
    assert len(tables["curve_tests"]) == 3 * drawn
    for table, columns in {
        "curves": ["null", "difference", "z"],
        "bands": ["null", "z", "p", "ratio"],
    }.items():
        known = tables[table][columns]
        assert known.notna().all(axis=None) if drawn else known.isna().all(axis=None)


@pytest.mark.parametrize("learned", [True, False])
def test_spoofing_is_judged_without_random_filters_where_there_are_none(learned):
    torch.manual_seed(0)
    bank = bank_of(ps.wrap(Bands(learned), RATE, ["a", "b"]), RATE)
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLES) / RATE)
    rows = [
        {"token": f"{i}{side}", "recording": f"r{i}{side}", "speaker": f"s{i}", "audio_sha256": f"{i}{side}"}
        | {"attack": "hum" if side else pd.NA, "kind": "vocoder" if side else pd.NA}
        for i in range(10)
        for side in (0, 1)
    ]
    waves = [np.random.default_rng(n // 2).normal(scale=0.1, size=SAMPLES) + tone * (n % 2) for n in range(20)]
    clips = [Clip(row, wave.astype(np.float32)) for row, wave in zip(rows, waves, strict=True)]
    tokens, features = hear(clips, bank, random_seeds=1, seed=0)
    assert (RANDOM in {feature.name for feature in features}) == learned
    problem = Problem("hum", "attack", "vocoder", np.arange(20), np.arange(20) % 2 == 1)
    results, scores = tell_apart(tokens, features, [problem])
    table = rows_of(results)
    assert table["hum", LAYER]["balanced_accuracy"] > 0.9
    assert np.isfinite(table["hum", LAYER]["beyond_random"]) == learned
    (sentence,) = _findings(results, bank.untrained.words)
    assert ("by random filters" in sentence) == learned
    assert ("no gradient reaches them" in sentence) != learned
    found = [claim.measure(Context(table, scores)) for claim in spoof_claims(results)][-1]
    assert ("cannot be drawn anew" in found.detail) != learned
    drawn = {text.get_text() for text in spoof_figure(results).legends[0].get_texts()}
    assert {LAYER, SPECTRUM} <= drawn
    assert (RANDOM in drawn) == learned
