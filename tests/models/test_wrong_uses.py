"""Wrong uses of models from elsewhere, from loading to explaining: each is answered in one line that says what to do.

Those of `phonoscope.wrap` alone stand in ``test_wrapping.py``.
"""

import builtins
import sys

import numpy as np
import pytest
import torch
from outside_models import RATE, Embedding, Frames, Scorer, loudness, sound
from test_loading import pooled
from torch import nn

import phonoscope as ps
from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.checkup import check

L3, L2 = ["a", "b", "c"], ["a", "b"]
SOUND = sound(0.5)
SHORT = SOUND[:100]
STEREO = np.stack([SOUND, SOUND], 1)
WHOLE = (SOUND * 32768).astype(np.int16)
SAYS_STEREO = r"average its channels: waveform.mean\(1\)"
SAYS_WHOLE = r"integers \(int16\).*divide it by its full scale, which is 32768 for 16 bit"
SAYS_SHORT = r"a sound of 0.006 s \(100 samples\) is too short .* takes 0.040 s \(640\) or more"


def made(model=None, labels=L3, **how):
    torch.manual_seed(0)
    return ps.wrap(Scorer() if model is None else model, RATE, labels, **how)


def compared(**references):
    torch.manual_seed(0)
    return ps.similarity(Embedding(), references, sample_rate=RATE)


class Averages(Scorer):
    """Gives the mean of nothing for sounds that are too short."""

    def forward(self, sounds):
        return super().forward(sounds) + sounds[:, 4000:].mean(1, keepdim=True)


class Frozen(Scorer):
    def forward(self, sounds):
        return super().forward(sounds.detach())


WRONG = {
    "explain: too short": (lambda: ps.explain(made(), [SOUND, SHORT]), f"token 1: {SAYS_SHORT}"),
    "explain: too short for a band": (lambda: ps.explain(made(), [SHORT], method="band-stop"), SAYS_SHORT),
    "explain: whole numbers": (lambda: ps.explain(made(), [WHOLE]), SAYS_WHOLE),
    "explain: stereo": (lambda: ps.explain(made(), [STEREO]), SAYS_STEREO),
    "explain: a table": (lambda: ps.explain(made(), STEREO), "expected a list of 1-D arrays"),
    "explain: complex numbers": (lambda: ps.explain(made(), [SOUND.astype(complex)]), "it holds complex128"),
    "explain: names": (lambda: ps.explain(made(), ["a.wav"]), r"read it with phonoscope.read_audio\(path"),
    "explain: a name": (lambda: ps.explain(made(), "a.wav"), r"read it with phonoscope.read_audio\(path"),
    "explain: no such class": (lambda: ps.explain(made(), [SOUND], "d"), "no class 'd'; it has: a, b, c"),
    "explain: no such method": (lambda: ps.explain(made(), [SOUND], method="gradcam"), "choose one of integrated-g"),
    "explain: no such option": (
        lambda: ps.explain(made(), [SOUND], method="gradient(steps=3)"),
        "no option 'steps'; its options: space",
    ),
    "explain: no such layer": (
        lambda: ps.explain(made(), [SOUND], method="grad-cam(layer=none)"),
        "no layer 'none'; it has: model",
    ),
    "explain: a method that needs gradients": (
        lambda: ps.explain(made(loudness, L2), [SOUND], method="integrated-gradients"),
        "choose a perturbation method, e.g. band-stop",
    ),
    "explain: gradients are cut off": (
        lambda: ps.explain(made(Frozen()), [SOUND], method="gradient"),
        "choose a perturbation method, e.g. band-stop",
    ),
    "explain: a time behind the end": (
        lambda: ps.explain(made(Frames(), frames=0.8), [SOUND]),
        "'0.8' s, but the sound lasts 0.500 s",
    ),
    "predict: too short": (lambda: made().predict([SOUND, SOUND, SHORT]), f"waveform 2: {SAYS_SHORT}"),
    "predict: whole numbers": (lambda: made().predict([WHOLE]), SAYS_WHOLE),
    "predict: stereo": (lambda: made().predict([STEREO]), SAYS_STEREO),
    "predict: a table": (lambda: made().predict(STEREO), "expected a list of 1-D arrays"),
    "predict: a score that is no number": (
        lambda: made(Averages()).predict([SOUND, SOUND[:4000]]),
        "output for waveform 1 is not finite; is the sound long enough",
    ),
    "predict: names": (lambda: made().predict(["a.wav"]), r"read it with phonoscope.read_audio\(path"),
    "similarity: too short": (lambda: compared(a=[SOUND], b=[SHORT]), SAYS_SHORT),
    "similarity: whole numbers": (lambda: compared(a=[WHOLE]), SAYS_WHOLE),
    "similarity: stereo": (lambda: compared(a=[STEREO]), SAYS_STEREO),
    "similarity: no such recording": (lambda: compared(a="nowhere.wav"), "recording not found: nowhere.wav"),
    "similarity: a list": (
        lambda: ps.similarity(Embedding(), [SOUND], sample_rate=RATE),
        "expected a dictionary from each label",
    ),
    "check: too short": (lambda: check(made(), SHORT), SAYS_SHORT),
    "check: whole numbers": (lambda: check(made(), WHOLE), SAYS_WHOLE),
    "check: stereo": (lambda: check(made(), STEREO), SAYS_STEREO),
    "check: empty": (lambda: check(made(), SOUND[:0]), "expected a non-empty 1-D array"),
    "check: not finite": (lambda: check(made(), SOUND * np.nan), "not finite; repair or leave out the recording"),
    "wrap: half precision": (lambda: made(Scorer().half()), r"half precision, .*: try model.float\(\)"),
    "wrap: a class": (lambda: made(Scorer), r"is the class Scorer; expected a model that it makes: Scorer\(…\)"),
    "wrap: a path": (lambda: made("model.onnx"), "the model is a str; expected a torch module"),
    "wrap: a rate in words": (lambda: ps.wrap(Scorer(), "16k", L3), "'16k' is none: pass sample_rate= in Hz"),
    "wrap: one label for all": (lambda: made(labels="abc"), r"name each score in a list: labels=\['abc', …\]"),
    "wrap: windows of no length": (lambda: made(window_seconds=0), "expected more than 0, or None for no windows"),
    "wrap: no such picture": (lambda: made(picture="pixels"), "no module 'pixels'; it has: mel"),
    "load: a module": (lambda: ps.load(Scorer()), "pass a model to phonoscope.wrap"),
    "load: no such option": (lambda: ps.load("model.onnx", rate=RATE), "no option rate; its options: sample_rate,"),
    "load: no such file": (lambda: ps.load("nowhere.onnx", sample_rate=RATE), "there is no folder nowhere.onnx"),
    "load: nothing to import": (
        lambda: ps.load("nopackage:model", sample_rate=RATE, trust_imports=True),
        "cannot be imported: ModuleNotFoundError",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_answered_in_one_line_that_says_what_to_do(name):
    do, says = WRONG[name]
    with pytest.raises(PhonoscopeError, match=says) as caught:
        do()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("module", "extra"), [("onnxruntime", "onnx"), ("transformers", "hf")])
def test_a_library_that_is_missing_is_named_with_what_brings_it(module, extra, tmp_path, monkeypatch):
    importing = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == module:
            raise ImportError(name)
        return importing(name, *rest, **more)

    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    (tmp_path / "model.onnx").write_bytes(b"a model")
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}')
    with pytest.raises(PhonoscopeError, match=rf"needs {module}.* pip install 'phonoscope\[{extra}\]'") as caught:
        ps.load(tmp_path / "model.onnx" if extra == "onnx" else tmp_path, sample_rate=RATE, labels=L2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("least", [1, 37, 400])
def test_the_shortest_sound_that_a_model_takes_is_found(least):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 4, least), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3))
    classifier = made(network)
    assert np.isfinite(classifier.logits([SOUND[:least]])).all()
    if least > 1:
        with pytest.raises(PhonoscopeError, match=rf"\({least - 1} samples\).*\({least}\) or more"):
            classifier.logits([SOUND[: least - 1]])


def test_what_fails_for_another_reason_is_not_called_too_short():
    class Fails(Scorer):
        broken = False

        def forward(self, sounds):
            if self.broken and len(sounds) > 1:
                raise RuntimeError("no memory for so many")
            return super().forward(sounds)

    classifier = made(Fails())
    classifier.network.model.broken = True
    with pytest.raises(RuntimeError, match="no memory for so many"):
        classifier.logits([SOUND, SOUND])


def test_half_precision_is_explained_where_the_model_runs_in_it():
    plain, half = (made(network, L2) for network in (pooled(), pooled().bfloat16()))
    assert np.allclose(half.logits([SOUND]), plain.logits([SOUND]), atol=0.02)
    maps, same = ps.explain(half, [SOUND], "b"), ps.explain(plain, [SOUND], "b")
    assert float(np.corrcoef(maps.values.ravel(), same.values.ravel())[0, 1]) > 0.9


def test_a_tensor_and_a_lone_sound_are_taken_as_they_are_meant():
    classifier = made()
    listed = classifier.predict([SOUND])
    assert classifier.predict(SOUND).equals(listed)
    assert classifier.predict([torch.from_numpy(SOUND).requires_grad_()]).equals(listed)
    maps = ps.explain(classifier, [torch.from_numpy(SOUND).requires_grad_()], method="gradient")
    assert np.array_equal(maps.values, ps.explain(classifier, SOUND, method="gradient").values)
    assert np.array_equal(compared(a=SOUND, b=[SHORT.repeat(20)]).logits([SOUND])[0, :1].round(5), [1])
