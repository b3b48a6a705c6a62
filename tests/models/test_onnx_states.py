"""ONNX models that remember: what they give back is fed in again within a sound, and forgotten between sounds."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import phonoscope as ps
from phonoscope.audio import read_audio

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx (onnxruntime) is not installed")

RATE, WINDOW = 16000, 400
SOUNDS = [np.random.default_rng(i).normal(scale=0.1 * (i + 1), size=3 * WINDOW).astype(np.float32) for i in range(2)]


def write_leaky(path, state=("state", "stateN"), batch="batch", open_shape=False, rate=False):
    """Half of the state, and the mean size of the window, become the state; scores are the state and its opposite.

    The state has shape (1, batch, 1). With `rate` the scores are multiplied by the rate in kHz, an int64 scalar.
    """
    from onnx import TensorProto, helper, numpy_helper

    given, kept = state
    info, float_ = helper.make_tensor_value_info, TensorProto.FLOAT
    nodes = [
        helper.make_node("Abs", ["sound"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", [given, "half"], ["old"]),
        helper.make_node("Add", ["old", "mean"], [kept]),
        helper.make_node("Squeeze", [kept, "first"], ["flat"]),
        helper.make_node("Neg", ["flat"], ["minus"]),
        helper.make_node("Concat", ["flat", "minus"], ["both"], axis=1),
        helper.make_node("Cast", ["sr"], ["hertz"], to=float_) if rate else None,
        helper.make_node("Div", ["hertz", "thousand"], ["kilohertz"]) if rate else None,
        helper.make_node("Mul", ["both", "kilohertz" if rate else "one"], ["scores"]),
    ]
    inputs = [info("sound", float_, [batch, WINDOW]), info(given, float_, [1, batch, 1])]
    inputs += [info("sr", TensorProto.INT64, [])] if rate else []
    outputs = [info("scores", float_, [batch, 2]), info(kept, float_, ["a", "b", "c"] if open_shape else [1, batch, 1])]
    numbers = {"half": np.float32(0.5), "one": np.float32(1), "thousand": np.float32(1000), "first": np.array([0])}
    graph = helper.make_graph(
        [node for node in nodes if node is not None],
        "leaky",
        inputs,
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def expected(sound, factor=1.0):
    """Mean over the windows of the state after each."""
    state, states = 0.0, []
    for window in sound.reshape(-1, WINDOW):
        state = 0.5 * state + np.abs(window).mean()
        states.append(state)
    return factor * np.mean(states) * np.array([1, -1])


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"open_shape": True},
        {"state": ("h", "hn"), "open_shape": True},
        {"state": ("what_was", "what_is")},  # told by its shape alone
        {"batch": 1},
        {"rate": True},
    ],
    ids=str,
)
def test_states_go_on_within_a_sound_and_end_with_it(tmp_path, how):
    classifier = ps.load(write_leaky(tmp_path / "leaky.onnx", **how), sample_rate=RATE, labels=["loud", "soft"])
    factor = RATE / 1000 if how.get("rate") else 1.0
    wanted = [expected(sound, factor) for sound in SOUNDS]
    assert np.allclose(classifier.logits(SOUNDS), wanted, rtol=1e-5)
    assert np.allclose(classifier.logits(SOUNDS[:1]), wanted[:1], rtol=1e-5)
    again = ps.load(classifier.save_pretrained(tmp_path / "saved"))
    assert np.allclose(again.logits(SOUNDS[::-1]), wanted[::-1], rtol=1e-5)


def test_what_is_no_state_must_be_given(tmp_path):
    write_leaky(tmp_path / "leaky.onnx", state=("embedding", "other"), open_shape=True)
    with pytest.raises(ps.PhonoscopeError, match="does not take sounds"):
        ps.load(tmp_path / "leaky.onnx", sample_rate=RATE)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("", 16000), ("", 8000), ("_op18_ifless", 16000), ("_openvino_16k", 16000)],
)
def test_silero_answers_the_same_as_onnx_and_as_torchscript(shared_data: Path, name, rate):
    package = importlib.util.find_spec("silero_vad")
    if package is None:
        pytest.skip("silero-vad is not installed")
    folder = Path(package.submodule_search_locations[0]) / "data"
    how = {"sample_rate": rate, "labels": ["no speech", "speech"], "activation": "sigmoid"}
    recordings = sorted((shared_data / "free_spoken_digits").rglob("*.wav"))[:3]
    sounds = [read_audio(recording, rate)[0][:rate] for recording in recordings]
    answers = [ps.load(folder / f"silero_vad{end}", **how).logits(sounds) for end in (f"{name}.onnx", ".jit")]
    probabilities = [torch.from_numpy(answer[:, 1]).sigmoid().numpy() for answer in answers]
    assert np.ptp(answers[1][:, 1]) > 0.1
    np.testing.assert_allclose(*probabilities, rtol=0, atol=1e-3)
