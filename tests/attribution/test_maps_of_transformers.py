"""Layers and attention of transformers' models, from small random weights: cells at their hertz and seconds."""

import numpy as np
import pytest
import torch
from small_networks import LABELS, assert_untouched, snapshot
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.layers import choose_layers
from phonoscope.attribution.method import Setting
from phonoscope.cells import layer_grids
from phonoscope.networks import build_network
from phonoscope.reference import choose_reference

transformers = pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "num_labels": 3}
SPEECH = {"conv_dim": [8] * 7, "classifier_proj_size": 8, "num_conv_pos_embeddings": 16}


class Logits(nn.Module):
    def __init__(self, model, change):
        super().__init__()
        self.model, self.change = model, change

    def forward(self, x):
        return self.model(self.change(x)).logits


def speech_model(kind, attention=None, **changes):
    torch.manual_seed(0)
    settings = SMALL | SPEECH | {"num_conv_pos_embedding_groups": 2} | changes
    config = getattr(transformers, f"{kind}Config")(**settings)
    if attention:
        config._attn_implementation = attention
    network = Logits(getattr(transformers, f"{kind}ForSequenceClassification")(config), lambda x: x[:, 0])
    return Classifier(Waveform(16000, 0.25), network, LABELS)


def ast(attention="sdpa"):
    torch.manual_seed(0)
    patches = {"patch_size": 16, "frequency_stride": 10, "time_stride": 10, "max_length": 64, "num_mel_bins": 40}
    config = transformers.ASTConfig(**SMALL, **patches)
    config._attn_implementation = attention
    network = Logits(transformers.ASTForAudioClassification(config), lambda x: x[:, 0].transpose(1, 2))
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return Classifier(Spectrogram(16000, rows=40, columns=64), network, LABELS, input_mean=-30.0, input_sd=15.0)


def sounds():
    random = np.random.default_rng(0)
    return [random.normal(size=4000).astype(np.float32) * 0.1 for _ in range(2)]


MODELS = {
    "wav2vec 2.0": lambda **settings: speech_model("Wav2Vec2", **settings),
    "wav2vec 2.0, layer norm": lambda **settings: speech_model(
        "Wav2Vec2", feat_extract_norm="layer", do_stable_layer_norm=True, **settings
    ),
    "HuBERT": lambda **settings: speech_model("Hubert", **settings),
    "WavLM": lambda **settings: speech_model("WavLM", **settings),
    "AST": ast,
}


@pytest.mark.parametrize("method", ["layer-cam", "attention-rollout", "gradient-attention"])
@pytest.mark.parametrize("name", MODELS)
def test_maps_of_cells_before_and_along_attention(name, method):
    classifier = MODELS[name]()
    classifier.logits(sounds())  # transformers puts hooks of its own into a model when it first runs
    before = snapshot(classifier)
    maps = explain(classifier, sounds(), "i", method)
    assert_untouched(before, snapshot(classifier))
    assert maps.shape[1:] == ((3, 5) if name == "AST" else (1, 12))
    assert maps.attrs["field_time"] > maps.attrs["cell_time"] > 0
    assert np.isfinite(maps.values).all()
    if name != "AST":  # cells of 20 ms, 25 ms long; the positions' convolution reaches one cell more to the left
        assert np.diff(maps["time"].values) == pytest.approx(np.full(11, 0.02))
        assert maps["time"].values[0] == pytest.approx(0.0125 - 0.01, abs=1e-4)


@pytest.mark.parametrize("name", ["wav2vec 2.0", "AST"])
@pytest.mark.parametrize("method", ["attention-rollout", "gradient-attention"])
def test_attention_is_the_same_however_transformers_computes_it(name, method):
    by_hand, fused = (
        explain(MODELS[name](attention=attention), sounds(), "i", method) for attention in ("eager", "sdpa")
    )
    assert by_hand.values == pytest.approx(fused.values, rel=1e-3, abs=1e-9)


def test_patches_of_a_transposed_picture_lie_at_their_own_frequency():
    classifier = ast()
    maps = explain(classifier, sounds(), "i", "layer-cam")
    hz = 8000 / 40
    assert maps["frequency"].values == pytest.approx(np.array([8.0, 18.0, 28.0]) * hz)  # patches of 16 rows, 10 apart
    layer, inputs = maps.attrs["layer"], torch.randn(2, 1, 40, 64)
    grid, taken = layer_grids(classifier.network, inputs)[layer], []
    module = classifier.network.get_submodule(layer)
    with module.register_forward_hook(lambda _m, _a, output: taken.append(grid.arranged(output))), torch.no_grad():
        for changed in (inputs, inputs + torch.nn.functional.one_hot(torch.tensor(33), 40)[:, None] * 5.0):
            classifier.network.eval()(changed)
    moved = (taken[1] - taken[0]).abs().amax((0, 1, 3))
    assert (moved > 1e-6).tolist() == [False, False, True]  # row 33 lies in the patches of rows 20 to 35 alone


def test_the_layer_by_default_is_one_that_all_goes_through_before_attention():
    for classifier, layer in (
        (MODELS["wav2vec 2.0"](), "model.wav2vec2.encoder.dropout"),
        (ast(), "model.audio_spectrogram_transformer.embeddings"),
        (
            Classifier(Spectrogram(8000, rows=16, columns=8), build_network("patch-transformer", 3), LABELS),
            "patches",
        ),
    ):
        with torch.no_grad():
            setting = Setting(classifier.eval(), choose_reference(classifier, None))
            assert choose_layers(setting, "auto") == [layer]


def test_the_mean_over_tokens_is_a_pooled_head_like_any_other():
    maps = explain(MODELS["wav2vec 2.0"](), sounds(), "i", "cam")
    assert maps.attrs["layer"] == "model.projector"
    assert maps.attrs["field_time"] == pytest.approx(0.25)  # attention: the whole sound
    assert abs(maps["incompleteness"]).max() < 1e-5
