"""Why *bad* and not *bed*: the answer must lie where a recogniser made by hand tells the two apart."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import phonoscope as ps
from phonoscope.errors import ClassifierError, IncompleteMapWarning
from phonoscope.models import text_places
from phonoscope.networks.outside.texts import CtcTexts, build_texts
from phonoscope.networks.outside.tokenising import text_recogniser

RATE, SECONDS = 16000, 0.8
BANDS_HZ = {"b": (600, 900), "a": (1500, 2000), "e": (2500, 3000), "d": (4200, 5200)}
VOCABULARY = {"<pad>": 0} | {symbol: position for position, symbol in enumerate(BANDS_HZ, start=1)}
VOWEL_SECONDS = (0.25, 0.5)


class ReadsBands(nn.Module):
    """A CTC recogniser: the logit of a symbol is the level in its band, frame by frame; that of the blank is 0."""

    def __init__(self):
        super().__init__()
        seconds = torch.arange(-200, 201) / RATE
        filters = [
            2 * width / RATE * torch.sinc(width * seconds) * torch.cos(2 * torch.pi * centre * seconds)
            for centre, width in (((low + high) / 2, high - low) for low, high in BANDS_HZ.values())
        ]
        self.register_buffer("filters", (torch.stack(filters) * torch.hann_window(401, periodic=False))[:, None])

    def forward(self, sounds):
        filtered = torch.nn.functional.conv1d(sounds, self.filters, padding=200)
        energy = torch.nn.functional.avg_pool1d(filtered.square(), 400, 160)
        levels = 2 * torch.log((energy + 1e-4) / 1e-2)
        return torch.cat([torch.zeros_like(levels[:, :1]), levels], 1).transpose(1, 2)


def spoken(level_of_d=0.3):
    """Tones in the bands of b, of a (with e at half its level) and of d, one after the other."""
    times = np.arange(round(SECONDS * RATE)) / RATE
    sound = np.random.default_rng(0).normal(scale=1e-3, size=len(times))
    for hz, start, stop, level in [(750, 0.1, 0.2, 0.3), (4700, 0.55, 0.7, level_of_d)] + [
        (hz, *VOWEL_SECONDS, level) for hz, level in ((1750, 0.3), (2750, 0.15))
    ]:
        sound += np.where((times >= start) & (times < stop), level * np.sin(2 * np.pi * hz * times), 0)
    return sound.astype(np.float32)


def classifier_of(*texts):
    network = text_recogniser(ReadsBands(), texts, VOCABULARY, blank=0)
    return ps.Classifier(ps.Waveform(RATE, SECONDS, standardise=False), network, texts)


def within(maps, hz, seconds):
    """Sum of a map's values in a band and a stretch of time, and of their sizes relative to all."""
    values, frequency, time = maps.values[0], maps["frequency"].values, maps["seconds"].values[0]
    rows, columns = (frequency >= hz[0]) & (frequency <= hz[1]), (time >= seconds[0]) & (time <= seconds[1])
    inside = values[np.ix_(rows, columns)]
    return inside.sum(), np.abs(inside).sum() / np.abs(values).sum()


@pytest.mark.parametrize("texts", [("b[a]d", "b[e]d"), ("bad", "bed")])
@pytest.mark.parametrize("method", ["integrated-gradients(space=sound)", "gradient-x-input(space=sound)"])
def test_evidence_for_a_vowel_lies_at_its_time_and_in_its_band(texts, method):
    classifier = classifier_of(*texts)
    maps = ps.explain(classifier, [spoken()], ps.contrast(*texts), method=method)
    around_the_vowel = (VOWEL_SECONDS[0] - 0.03, VOWEL_SECONDS[1] + 0.03)  # a window is 20 ms, a frame 25 ms
    for_a, _ = within(maps, (1400, 2100), around_the_vowel)
    for_e, _ = within(maps, (2400, 3100), around_the_vowel)
    _, share = within(maps, (1400, 3100), around_the_vowel)
    assert share > 0.99
    assert for_a > 0 > for_e


def test_the_rest_of_the_text_is_taken_as_given():
    faint, d_seconds = spoken(level_of_d=0.03), (0.53, 0.8)
    share_of_d = {}
    for text, other in [("bad", "bed"), ("b[a]d", "b[e]d")]:
        classifier = classifier_of(text, other)
        maps = ps.explain(classifier, [faint], text, method="gradient-x-input(space=sound)")
        share_of_d[text] = within(maps, (0, 8000), d_seconds)[1]
    assert share_of_d["bad"] > 0.1
    assert share_of_d["b[a]d"] < 0.01


def test_a_map_of_one_text_that_misses_its_sum_advises_a_contrast():
    classifier = classifier_of("bad", "bed")
    classifier.scores = "texts"
    with pytest.warns(IncompleteMapWarning, match="explain a contrast of two"):
        ps.explain(classifier, [spoken()], "bad", method="integrated-gradients(space=sound, steps=2)")


def test_what_was_recognised_and_where_it_is():
    network = classifier_of("[b]ad", "b[a]d", "ba[d]", "b[e]d").network
    sound = torch.from_numpy(spoken())[None, None]
    assert network.transcribe(sound) == [[VOCABULARY[symbol] for symbol in "bad"]]
    places = network.places(sound, SECONDS)[0]
    expected = torch.tensor([(0.1, 0.2), VOWEL_SECONDS, (0.55, 0.7), VOWEL_SECONDS])
    torch.testing.assert_close(places, expected, rtol=0, atol=0.03)


def test_a_recogniser_of_texts_is_made_again_from_json():
    network = classifier_of("b[a]d", "b[e]d").network
    again = build_texts(ReadsBands(), json.loads(json.dumps(network.config())))
    sound = torch.from_numpy(spoken())[None, None]
    torch.testing.assert_close(again(sound), network(sound), rtol=0, atol=0)


def test_gradients_reach_the_sound():
    network = classifier_of("b[a]d", "bed").network.double()
    sound = torch.from_numpy(spoken()[:6400])[None, None].double().requires_grad_(True)
    direction = torch.randn(sound.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(network(sound)[:, 0].sum(), sound)
    with torch.no_grad():
        step = 1e-6
        slope = (network(sound + step * direction) - network(sound - step * direction))[0, 0] / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-6)


class Gives(nn.Module):
    """A module that gives one thing whatever it takes."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, _):
        return self.output


LOGITS = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("output", [(LOGITS, None), {"logits": LOGITS}, LOGITS.log_softmax(2), LOGITS + 3])
def test_logits_are_read_from_whatever_holds_them(output):
    torch.testing.assert_close(
        CtcTexts(Gives(output), [[1, 2]])(torch.zeros(1, 8)), CtcTexts(Gives(LOGITS), [[1, 2]])(torch.zeros(1, 8))
    )


@pytest.mark.parametrize(("output", "message"), [(LOGITS[0], r"shape \(5, 4\)"), (None, "NoneType"), ({}, "dict")])
def test_outputs_that_are_no_frames_are_refused(output, message):
    with pytest.raises(ClassifierError, match=f"{message}.*batch, positions, symbols"):
        CtcTexts(Gives(output), [[1, 2]])(torch.zeros(1, 8))


def test_half_precision_is_summed_in_single():
    scores = CtcTexts(Gives(LOGITS.bfloat16()), [[1, 2]])(torch.zeros(1, 8))
    assert scores.dtype == torch.float32


@pytest.mark.parametrize("texts", [["bad"], ["bad", [1, 2]]])
def test_written_texts_need_a_tokenizer(texts):
    with pytest.raises(ClassifierError, match="needs the recogniser's tokenizer"):
        text_recogniser(ReadsBands(), texts, None)


def test_candidates_are_needed():
    with pytest.raises(ClassifierError, match="no texts were given"):
        CtcTexts(ReadsBands(), [])


def test_places_are_told_in_seconds_of_each_sound_and_stand_beside_its_map():
    texts = ("b[a]d", "ba[d]")
    classifier = ps.Classifier(ps.Recording(RATE), text_recogniser(ReadsBands(), texts, VOCABULARY, blank=0), texts)
    longer = np.concatenate([np.zeros(RATE // 2, np.float32), spoken()])
    table = text_places(classifier, [spoken(), longer]).set_index(["sound", "text"])
    places = table.loc[[(0, "b[a]d"), (1, "b[a]d"), (1, "ba[d]")]].to_numpy()
    np.testing.assert_allclose(places, [VOWEL_SECONDS, (0.75, 1.0), (1.05, 1.2)], atol=0.03)
    maps = ps.explain(classifier, [longer], ps.contrast(*texts), method="gradient-x-input(space=sound)")
    assert [float(maps[name][0]) for name in ("text_start", "text_end")] == pytest.approx(places[1])


def test_a_model_of_classes_has_no_places():
    classes = ps.wrap(nn.Sequential(nn.AdaptiveAvgPool1d(4), nn.Flatten()), RATE)
    with pytest.raises(ClassifierError, match="compares no texts"):
        text_places(classes, [spoken()])
