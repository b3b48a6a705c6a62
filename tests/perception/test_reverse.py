"""Reverse correlation of listeners with a planted template, heard in the sounds themselves, and of one at random."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.signal import stft
from scipy.special import log_expit

from phonoscope.errors import PerceptionError
from phonoscope.perception.bubbles import Bubbles, perturbations
from phonoscope.perception.reverse import (
    BubbleTrials,
    bubble_block,
    image_of,
    read_classification_trials,
    reverse_correlation,
)
from phonoscope.synthesis.source_filter import voice

RATE = 16000
DESIGN = Bubbles(frequencies=10, times=4, low=300.0, high=5000.0)
LABELS = ["yes", "no"]
TEMPLATE = np.zeros((10, 4))
TEMPLATE[6:8, 1:3], TEMPLATE[2, 2:4] = 0.15, -0.15


def vowels(durations=(0.15, 0.18, 0.13)):
    hertz = np.array([[500, 1500, 2500, 3500, 4500, 5500, 6500, 7500.0]])
    frequencies = np.repeat(np.repeat(hertz[:, None], 3, axis=1), len(durations), axis=0)
    waves = voice(np.full((len(durations), 3), 120.0), frequencies, np.full_like(frequencies, 120.0),
                  np.array(durations), RATE, np.random.default_rng(0))  # fmt: skip
    return [(0.1 * wave).astype(np.float32) for wave in waves]


def levels(sounds, design=DESIGN):
    """Level of each cell in dB, from the sound's own spectrogram."""
    edges, found = design.frequency_edges(RATE), []
    for sound in sounds:
        hertz, times, spectra = stft(sound, RATE, nperseg=256, noverlap=192, nfft=1024)
        power, share = np.abs(spectra) ** 2, times / (len(sound) / RATE)
        rows = np.stack([power[(hertz >= a) & (hertz < b)].mean(axis=0) for a, b in pairwise(edges)])
        spans = pairwise(np.linspace(0, 1, design.times + 1))
        found.append(np.stack([rows[:, (share >= a) & (share < b)].mean(axis=1) for a, b in spans], axis=1))
    return 10 * np.log10(np.stack(found) + 1e-12)


def listener(template):
    """Log odds that are linear in the levels of cells."""
    usual = levels(vowels()).mean(axis=0)

    def answer(sounds):
        odds = ((levels(sounds) - usual) * template).sum(axis=(1, 2))
        return np.stack([log_expit(odds), log_expit(-odds)], axis=1)

    return answer


def test_a_template_that_is_heard_in_the_sounds_is_recovered():
    image = reverse_correlation(listener(TEMPLATE), vowels(), RATE, LABELS, "yes", trials=800, design=DESIGN)
    assert np.corrcoef(image["weights"].values.ravel(), TEMPLATE.ravel())[0, 1] > 0.9
    assert image["weights"].values[TEMPLATE > 0].mean() == pytest.approx(0.15, rel=0.35)
    assert (image["cluster"].values[TEMPLATE != 0] > 0).mean() > 0.9
    assert image.attrs["trials"] == 800
    assert image.attrs["explained"] > 0.1
    assert image["time"].attrs["units"] == "share of the token"


def test_a_listener_at_random_has_clusters_one_time_in_twenty():
    tokens, hits = vowels(), 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        odds = rng.normal(size=100)
        block = bubble_block(lambda sounds, odds=odds: np.stack([log_expit(odds), log_expit(-odds)], axis=1), tokens,
                             RATE, LABELS, 0, trials=100, design=DESIGN, seed=seed)  # fmt: skip
        hits += any(p < 0.05 for p in image_of(block, "yes", shuffles=60).cluster_p)
    assert hits <= 3


def test_blocks_come_in_any_order():
    def made(number, trials=20):
        return bubble_block(listener(TEMPLATE), vowels(), RATE, LABELS, number, trials=trials, design=DESIGN, seed=3)

    first, second = made(0), made(1)
    assert np.array_equal(made(1).cells, second.cells)
    assert np.array_equal(made(1).p, second.p)
    assert not np.array_equal(first.cells, second.cells)
    assert np.array_equal(made(0, 7).cells, first.cells[:7])
    both = BubbleTrials.joined([first, second])
    assert len(both) == 40
    assert np.array_equal(both.p[20:], second.p)


@pytest.mark.parametrize("clock", ["share", "s"])
def test_cells_say_what_became_of_the_sound(clock):
    design = Bubbles(frequencies=8, times=4, low=400.0, high=5000.0, clock=clock)
    tokens = vowels((0.2, 0.12))
    made = perturbations(tokens, RATE, 120, design)
    assert {len(sound) for sound in made.sounds} == {len(token) for token in tokens}
    long = made.token == 0  # the grid of both clocks is that of the longest token
    changes = levels([sound for sound, own in zip(made.sounds, long, strict=True) if own], design) - levels(
        tokens[:1], design
    )
    cells = made.cells[long]
    fits = [np.polyfit(cells[:, i, j], changes[:, i, j], 1)[0] for i in range(8) for j in range(4)]
    assert np.median(fits) == pytest.approx(1.0, abs=0.1)
    assert np.all(made.cells[~long][:, :, 3] == 0) == (clock == "s")  # 0.12 s end before the last quarter of 0.2 s
    assert 4.5 < made.cells[long].std() < 6.5


def test_frames_may_keep_their_energy():
    tokens = vowels((0.15,))
    powers = {
        keep: np.array([(sound**2).sum() for sound in perturbations(
            tokens, RATE, 30, Bubbles(keep_power=keep)).sounds]) / (tokens[0] ** 2).sum()
        for keep in (True, False)
    }  # fmt: skip
    assert np.abs(10 * np.log10(powers[True])).max() < 1.0
    assert np.abs(10 * np.log10(powers[False])).max() > 3.0


def test_people_are_read_and_give_the_same_image(tmp_path):
    block = bubble_block(listener(5 * TEMPLATE), vowels(), RATE, LABELS, 0, trials=400, design=DESIGN)
    heard = BubbleTrials(block.cells, block.token, np.eye(2)[block.p.argmax(axis=1)], LABELS, block.frequency,
                         block.time)  # fmt: skip
    whole = heard.table()
    whole.to_csv(tmp_path / "whole.csv", index=False)
    stimuli = whole.drop(columns="answer").assign(file=[f"{i:03d}.wav" for i in range(400)])
    answers = stimuli[["file"]].assign(answer=whole["answer"]).sample(frac=1.0, random_state=0)
    answers.to_csv(tmp_path / "answers.csv", index=False)
    expected = image_of(heard, "yes", shuffles=20)
    for read in (
        read_classification_trials(tmp_path / "whole.csv"),
        read_classification_trials(tmp_path / "answers.csv", stimuli),
    ):
        found = image_of(read, "yes", "no", shuffles=20)
        assert np.corrcoef(found["weights"].values.ravel(), expected["weights"].values.ravel())[0, 1] > 0.99
        assert found["frequency"].values == pytest.approx(expected["frequency"].values, abs=0.1)
        assert found["time"].values == pytest.approx(expected["time"].values, rel=1e-3)


def test_trials_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(PerceptionError, match="no token"):
        perturbations([], RATE, 3)
    with pytest.raises(PerceptionError, match="within 0 to 8000"):
        perturbations(vowels(), RATE, 3, Bubbles(high=9000.0))
    with pytest.raises(PerceptionError, match="2 labels"):
        bubble_block(lambda sounds: np.zeros((len(sounds), 3)), vowels(), RATE, LABELS, 0, trials=3)
    table = pd.DataFrame({"file": ["a.wav"], "answer": ["yes"]})
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(PerceptionError, match="stimuli="):
        read_classification_trials(tmp_path / "a.csv")
    stimuli = pd.DataFrame({"file": ["b.wav"], "f500.0_s0.1": [1.0]})
    with pytest.raises(PerceptionError, match=r"answers 'a\.wav'"):
        read_classification_trials(tmp_path / "a.csv", stimuli)
    with pytest.raises(PerceptionError, match="none of no, maybe"):
        read_classification_trials(tmp_path / "a.csv", stimuli.assign(file="a.wav"), ["no", "maybe"])
    table.rename(columns={"answer": "said"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(PerceptionError, match="no column answer"):
        read_classification_trials(tmp_path / "b.csv")
    block = bubble_block(listener(TEMPLATE), vowels(), RATE, LABELS, 0, trials=3, design=DESIGN)
    with pytest.raises(PerceptionError, match="choose one of yes, no"):
        image_of(block, "maybe")
