"""Front ends that are deaf to bands: they hear nothing of them, keep it when saved, and recipes can ask for it."""

import numpy as np
import pytest
import torch

from phonoscope import Classifier, Spectrogram, Waveform
from phonoscope.errors import ClassifierError
from phonoscope.experiments.recipe import recipe_from
from phonoscope.frontends import build_front_end, pad_waveforms
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.fit import new_classifier
from phonoscope.tasks.phones.recipe import PhonesRecipe

RATE = 8000
BANDS = [[0, 700], [2000, 2500]]


def tones(*hertz, seconds=0.4):
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(0.1 * np.sin(2 * np.pi * f * time) for f in hertz).astype(np.float32)


def test_tones_in_the_bands_are_not_in_the_picture():
    all_ears, deaf = (Spectrogram(RATE, rows=32, columns=8, without_hz=bands) for bands in ((), BANDS))
    sounds = pad_waveforms([tones(1300.0), tones(300.0, 1300.0, 2250.0)])
    only, both = deaf(*sounds)[:, 0, :, 2:-2]
    assert both.numpy() == pytest.approx(only.numpy(), abs=0.1)
    assert float(all_ears(*sounds)[1, 0, 2].mean()) > -20
    assert float(both[2].mean()) < -55
    assert only.numpy() == pytest.approx(all_ears(*sounds)[0, 0, :, 2:-2].numpy(), abs=0.1)


def test_waveforms_lose_them_too():
    front_end = Waveform(RATE, 0.4, standardise=False, without_hz=BANDS)
    heard = front_end(*pad_waveforms([tones(1300.0, 300.0), tones(1300.0)]))[:, 0, 800:-800]
    assert heard[0].numpy() == pytest.approx(heard[1].numpy(), abs=1e-4)
    assert heard[1].numpy() == pytest.approx(tones(1300.0)[800:-800], abs=1e-4)


def test_batches_equal_singles_and_gradients_pass():
    front_end = Spectrogram(RATE, rows=16, columns=8, without_hz=BANDS)
    random = np.random.default_rng(0)
    sounds = [random.normal(size=n).astype(np.float32) for n in (500, 1200)]
    together = front_end(*pad_waveforms(sounds))
    alone = [front_end(*pad_waveforms([sound]))[0] for sound in sounds]
    assert together.numpy() == pytest.approx(torch.stack(alone).numpy(), abs=1e-2)
    sound = torch.from_numpy(tones(300.0) + 0.1 * sounds[0].mean())[None].requires_grad_()
    front_end(sound).sum().backward()
    assert torch.isfinite(sound.grad).all()
    assert float(sound.grad.abs().max()) > 0


@pytest.mark.parametrize("kind", ["spectrogram", "waveform"])
def test_the_bands_are_kept_beside_the_weights(kind, tmp_path):
    settings = {"rows": 16, "columns": 8} if kind == "spectrogram" else {"seconds": 0.2}
    network = "compact" if kind == "spectrogram" else "segmental"
    torch.manual_seed(0)
    classifier = Classifier.build(
        build_front_end(kind, sample_rate=RATE, without_hz=BANDS, **settings), network, ["a", "b"]
    ).eval()
    loaded = Classifier.from_pretrained(classifier.save_pretrained(tmp_path / "deaf"))
    assert loaded.front_end.without_hz == [[0.0, 700.0], [2000.0, 2500.0]]
    sounds = [tones(300.0, 1300.0)]
    assert loaded.logits(sounds) == pytest.approx(classifier.logits(sounds))


@pytest.mark.parametrize(
    "bands", [[[700, 0]], [[0, 4000]], [[4000, 5000]], [[-5, 100]], [100, 200], [[1, 2, 3]], [["low", "high"]], "low"]
)
def test_bands_that_are_none_are_refused(bands):
    with pytest.raises(ClassifierError, match="pairs of a lower and an upper edge"):
        Spectrogram(RATE, without_hz=bands)


def test_a_recipe_trains_without_a_band():
    recipe = load_recipe("voicing-above-700")
    assert recipe.front_end["without_hz"] == [[0, 700]]
    plain = load_recipe("voicing")
    assert {k: v for k, v in recipe.front_end.items() if k != "without_hz"} == plain.front_end
    for entry in ("tokens", "classes", "network", "synthetic", "training", "split", "seed"):
        assert getattr(recipe, entry) == getattr(plain, entry), entry
    deaf = new_classifier(recipe, ["voiced", "unvoiced"], RATE).front_end
    assert float(deaf(*pad_waveforms([tones(300.0, 2000.0)]))[0, 0, 4, 4:-4].mean()) < -55
    own = recipe_from(PhonesRecipe, {"name": "own", "front_end": {"kind": "spectrogram", "without_hz": [[1000, 2000]]}})
    assert new_classifier(own, ["a", "b"], RATE).front_end.without_hz == [[1000.0, 2000.0]]
