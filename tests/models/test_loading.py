"""Checkpoints by one word: folders of transformers, files, import paths; saved and loaded again they say the same."""

import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from outside_models import Scorer, sound
from torch import nn

import phonoscope as ps
from phonoscope.attribution.passes import examples_at_a_time
from phonoscope.errors import ClassifierError

RATE, L2 = 16000, ["bonafide", "spoof"]
SOUNDS = [sound(0.7), sound(1.1, seed=1)]


def pooled(scores=2):
    """A network that TorchScript and ONNX can hold."""
    torch.manual_seed(1)
    layers = [nn.Conv1d(1, 4, 64, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, scores)]
    return nn.Sequential(*layers).eval()


def own_scores(network):
    with torch.no_grad():
        return np.concatenate([network(torch.from_numpy(s)[None, None]).numpy() for s in SOUNDS])


def again(classifier, folder, **how):
    """The classifier, saved and loaded."""
    return ps.load(classifier.save_pretrained(folder), **how)


def write_onnx(path):
    """The network of `pooled` as an ONNX file."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    network = pooled()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["sound", "0.weight", "0.bias"], ["c"], kernel_shape=[64], strides=[16]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"], axis=1),
        helper.make_node("Gemm", ["f", "4.weight", "4.bias"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "pooled",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["batch", 1, "samples"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def onnx_file(tmp_path):
    return write_onnx(tmp_path / "model.onnx")


def test_an_onnx_model_is_a_black_box_with_the_answers_of_its_network(onnx_file, tmp_path):
    classifier = ps.load(onnx_file, sample_rate=RATE, labels=L2)
    assert np.allclose(classifier.logits(SOUNDS), own_scores(pooled()), atol=1e-5)
    assert np.allclose(again(classifier, tmp_path / "saved").logits(SOUNDS), classifier.logits(SOUNDS))
    assert np.allclose(copy.deepcopy(classifier).logits(SOUNDS), classifier.logits(SOUNDS))
    assert ps.explain(classifier, SOUNDS).attrs["method"] == "band-stop"
    with pytest.raises(ps.PhonoscopeError, match="choose a perturbation method"):
        ps.explain(classifier, SOUNDS, method="integrated-gradients")
    with pytest.raises(ps.PhonoscopeError, match="layer"):
        ps.explain(classifier, SOUNDS, method="grad-cam")


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_is_loaded_and_gradients_pass_through_it(how, tmp_path):
    network = pooled()
    script = torch.jit.script(network) if how == "script" else torch.jit.trace(network, torch.zeros(1, 1, 16000))
    script.save(str(tmp_path / "model.jit"))
    classifier = ps.load(tmp_path / "model.jit", sample_rate=RATE, labels=L2)
    assert np.allclose(classifier.logits(SOUNDS), own_scores(network), atol=1e-5)
    assert np.allclose(again(classifier, tmp_path / "saved").logits(SOUNDS), classifier.logits(SOUNDS))
    maps, plain = (ps.explain(c, SOUNDS, "spoof") for c in (classifier, ps.wrap(network, RATE, L2)))
    assert np.allclose(maps.values, plain.values, atol=1e-5)
    with pytest.raises(ps.PhonoscopeError, match="layer"):
        ps.explain(classifier, SOUNDS, method="grad-cam")


def test_torchscript_that_touches_files_is_not_run(tmp_path):
    class Writes(nn.Module):
        def forward(self, sounds):
            torch.save(sounds, "stolen.pt")
            return sounds[:, :2]

    torch.jit.script(Writes()).save(str(tmp_path / "writes.jit"))
    with pytest.raises(ClassifierError, match="can touch files or foreign libraries: it is not run"):
        ps.load(tmp_path / "writes.jit", sample_rate=RATE, labels=L2)


def test_an_import_path_needs_consent_every_time(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with pytest.raises(ClassifierError, match="--trust-imports"):
        ps.load("outside_models:build", sample_rate=RATE)
    classifier = ps.load("outside_models:build", sample_rate=RATE, labels=L2, trust_imports=True)
    folder = classifier.save_pretrained(tmp_path / "saved")
    with pytest.raises(ClassifierError, match="--trust-imports"):
        ps.load(folder)
    assert np.allclose(ps.load(folder, trust_imports=True).logits(SOUNDS), classifier.logits(SOUNDS))
    function = ps.load("outside_models:loudness", sample_rate=RATE, labels=L2, trust_imports=True)
    assert np.allclose(function.logits(SOUNDS)[:, 0], -function.logits(SOUNDS)[:, 1])
    loaded = again(function, tmp_path / "function", trust_imports=True)  # which has no weights
    assert np.allclose(loaded.logits(SOUNDS), function.logits(SOUNDS))
    with pytest.raises(ClassifierError, match="cannot be imported"):
        ps.load("outside_models:nothing", sample_rate=RATE, trust_imports=True)


def test_a_module_that_only_its_owner_can_build_is_passed_again(tmp_path):
    torch.manual_seed(0)
    classifier = ps.wrap(Scorer(2), RATE, L2)
    folder = classifier.save_pretrained(tmp_path / "saved")
    with pytest.raises(ClassifierError, match="pass it as network="):
        ps.load(folder)
    loaded = ps.Classifier.from_pretrained(folder, network=Scorer(2))
    assert np.allclose(loaded.logits(SOUNDS), classifier.logits(SOUNDS))


def test_what_is_no_model_is_said_in_words(tmp_path):
    torch.save(Scorer().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ClassifierError, match="Weights alone do not say what network they belong to"):
        ps.load(tmp_path / "weights.pth", sample_rate=RATE)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    if importlib.util.find_spec("onnxruntime"):
        with pytest.raises(ClassifierError, match="no ONNX model that onnxruntime can run"):
            ps.load(tmp_path / "broken.onnx", sample_rate=RATE, labels=L2)
    with pytest.raises(ClassifierError, match="there is no folder"):
        ps.load(tmp_path / "nowhere")


SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7,
    "classifier_proj_size": 8, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
    "id2label": {0: "yes", 1: "no", 2: "up"},
}  # fmt: skip


@pytest.fixture(scope="module")
def transformers():
    library = pytest.importorskip("transformers")
    library.logging.set_verbosity_error()
    return library


def saved(transformers, folder, model, extractor):
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["Wav2Vec2", "Hubert", "WavLM"])
def test_a_folder_of_transformers_says_everything_itself(transformers, name, tmp_path):
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForSequenceClassification")(getattr(transformers, f"{name}Config")(**SMALL))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    classifier = ps.load(saved(transformers, tmp_path / "hub", model, extractor))
    assert (classifier.labels, classifier.sample_rate) == (["yes", "no", "up"], 16000)
    for waveform in SOUNDS:
        given = extractor(waveform, sampling_rate=16000, return_tensors="pt")
        own = model.eval()(given.input_values).logits.detach().numpy()
        assert np.allclose(classifier.logits([waveform]), own, atol=1e-5)
    assert np.allclose(again(classifier, tmp_path / "saved").logits(SOUNDS), classifier.logits(SOUNDS))
    layers = ps.geometry(tmp_path / "hub", null_draws=0, gap=False)["layer"]
    assert layers.iloc[0].endswith("feature_extractor.conv_layers.0.conv")
    maps = ps.explain(classifier, SOUNDS)
    assert float(np.abs(maps["incompleteness"]).max()) < 0.02 * float(np.ptp(classifier.logits(SOUNDS)))


def test_ast_and_whisper_hear_what_their_extractors_make(transformers, tmp_path):
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ast = transformers.ASTForAudioClassification(transformers.ASTConfig(**small, num_labels=3, max_length=128)).eval()
    of_ast = transformers.ASTFeatureExtractor(max_length=128)
    tiny = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "decoder_layers": 1, "vocab_size": 40}
    tiny |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_source_positions": 100}
    tiny |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "num_mel_bins": 80}
    whisper = transformers.WhisperForAudioClassification(transformers.WhisperConfig(**tiny, num_labels=3)).eval()
    of_whisper = transformers.WhisperFeatureExtractor(feature_size=80, chunk_length=2)
    for name, model, extractor in (("ast", ast, of_ast), ("whisper", whisper, of_whisper)):
        classifier = ps.load(saved(transformers, tmp_path / name, model, extractor))
        given = extractor(SOUNDS[0], sampling_rate=16000, return_tensors="pt")
        own = model(next(iter(given.values()))).logits.detach().numpy()
        assert np.allclose(classifier.logits(SOUNDS[:1]), own, atol=1e-4), name
        assert ps.explain(classifier, SOUNDS).sizes["frequency"] == classifier.front_end.frequency_axis.rows
        assert np.allclose(again(classifier, tmp_path / f"{name}-saved").logits(SOUNDS), classifier.logits(SOUNDS))


def write_ctc(transformers, folder):
    """A recogniser of characters with random weights; returns its symbols."""
    torch.manual_seed(0)
    settings = {key: value for key, value in SMALL.items() if key != "id2label"} | {"vocab_size": 8}
    model = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**settings))
    saved(transformers, folder, model, transformers.Wav2Vec2FeatureExtractor(do_normalize=True))
    symbols = ["<pad>", "|", "A", "B", "D", "E", "<unk>", "Y"]
    (folder / "vocab.json").write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}))
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "word_delimiter_token": "|"}
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), **names).save_pretrained(folder)
    return symbols


def test_a_recogniser_compares_the_texts_that_are_named(transformers, tmp_path):
    folder = tmp_path / "ctc"
    symbols = write_ctc(transformers, folder)
    classifier = ps.load(folder, labels=["b[a]d", "b[e]d"])
    maps = ps.explain(classifier, SOUNDS, ps.contrast("b[a]d", "b[e]d"))
    assert maps.attrs["units"] == "log probability"
    assert np.allclose(classifier.predict(SOUNDS).filter(like="p_").sum(1), 1)
    assert np.allclose(again(classifier, tmp_path / "saved").logits(SOUNDS), classifier.logits(SOUNDS), atol=1e-5)
    assert ps.load(folder).labels == symbols


def test_a_checkpoint_without_its_head_is_refused(transformers, tmp_path):
    base = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SMALL))
    folder = saved(transformers, tmp_path / "hub", base, transformers.Wav2Vec2FeatureExtractor())
    assert ps.load(folder).scores == "embedding"
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["Wav2Vec2ForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ClassifierError, match="no weights for classifier"):
        ps.load(folder)
    config["architectures"] = ["MyOwnNetwork"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ClassifierError, match="code that comes with a checkpoint is never run"):
        ps.load(folder)


def test_few_examples_go_through_a_model_whose_memory_cannot_be_counted(tmp_path):
    torch.jit.script(pooled()).save(str(tmp_path / "model.jit"))
    counted = ps.load(tmp_path / "model.jit", sample_rate=RATE, labels=L2)
    hidden = ps.wrap(lambda sounds: np.ones((len(sounds), 2)) * [len(sounds[0]), 0], RATE, L2)
    memory, half_a_minute = 32 * 2**20, torch.zeros(1, 1, 30 * RATE)
    assert examples_at_a_time(hidden.network, half_a_minute, memory) == 1
    assert 1 < examples_at_a_time(hidden.network, half_a_minute[..., :RATE], memory) < 10
    plain = examples_at_a_time(pooled(), half_a_minute[..., :RATE], memory)
    assert plain / 4 < examples_at_a_time(counted.network, half_a_minute[..., :RATE], memory) <= plain
