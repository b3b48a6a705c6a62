"""Formants moved together to the places of a grid, heard by a listener with ears of its own."""

import functools

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_expit

from phonoscope.errors import AudioError, PerceptionError
from phonoscope.manipulate import Sounds, measures
from phonoscope.manipulate.joint import move_formants
from phonoscope.perception.grids import FormantGrid, grid_stimuli, grid_trials
from phonoscope.perception.territories import territory
from phonoscope.phonetics.formants import token_formants
from phonoscope.synthesis.source_filter import voice

RATE = 16000
GRID = FormantGrid(first_hz=(350.0, 650.0), second_hz=(1100.0, 2100.0), steps=(3, 4))


@functools.cache
def vowels(context=0.0):
    rng = np.random.default_rng(0)
    hertz = np.array([[400, 1700, 2600], [560, 1450, 2500], [430, 1300, 2450], [500, 1850, 2700.0]])
    above = np.tile([3600, 4600, 6000, 7000.0], (4, 1))  # five below the ceiling
    frequencies = np.repeat(np.concatenate([hertz, above], axis=1)[:, None], 3, axis=1)
    f0 = np.repeat(np.array([[110.0], [130], [120], [140]]), 3, axis=1)
    waves = voice(f0, frequencies, np.full_like(frequencies, 80.0), np.full(4, 0.16 + 2 * context), RATE, rng)
    return [(0.1 * wave).astype(np.float32) for wave in waves]


TOKENS = pd.DataFrame({"token": list("abcd"), "class": "ə", "recording": list("abcd")})


def by_ear(sounds):
    """Log odds by F2 above or below 1500 Hz, measured by the tracker of tables."""
    f2 = token_formants(sounds, RATE, ceiling=5500.0, positions=[0.5])["f2_50"].to_numpy()
    odds = (np.nan_to_num(f2, nan=1500.0) - 1500.0) / 40.0
    return np.stack([log_expit(odds), log_expit(-odds)], axis=1)


def test_both_formants_reach_their_targets_and_the_rest_stays():
    made = list(grid_stimuli(TOKENS, vowels(), RATE, GRID))
    table = pd.concat([each.table for each in made], ignore_index=True)
    assert len(table) == 4 * 12
    assert table["missed"].mean() < 0.1
    heard = table[~table["missed"]]
    sounds = [sound for each in made for sound in each.sounds]
    found = token_formants(sounds, RATE, ceiling=5500.0, positions=[0.5]).loc[heard.index]
    for name in ("f1", "f2"):
        assert np.polyfit(heard[f"intended_{name}"], heard[name], 1)[0] == pytest.approx(1.0, abs=0.05)
        assert np.nanmedian(np.abs(found[f"{name}_50"] / heard[f"intended_{name}"] - 1)) < 0.03
    assert (heard["f3"] / heard["before_f3"] - 1).abs().median() < 0.03
    assert {len(sound) for sound in sounds} == {len(vowels()[0])}


def test_praat_finds_the_formants_where_they_were_moved():
    parselmouth = pytest.importorskip("parselmouth", reason="needs the extra praat")
    made = next(grid_stimuli(TOKENS, vowels(), RATE, GRID))
    found = []
    for sound in made.sounds:
        track = parselmouth.Sound(sound.astype(float), RATE).to_formant_burg(maximum_formant=5500.0)
        found.append([np.median([track.get_value_at_time(k, at) for at in (0.07, 0.08, 0.09)]) for k in (1, 2)])
    heard = ~made.table["missed"].to_numpy()
    for name, values in zip(("f1", "f2"), np.array(found).T, strict=True):
        intended = made.table[f"intended_{name}"].to_numpy()
        assert np.polyfit(intended[heard], values[heard], 1)[0] == pytest.approx(1.0, abs=0.05)
        assert np.median(np.abs(values / intended - 1)[heard]) < 0.03


def test_what_is_not_moved_is_the_same_sound():
    sounds = vowels()
    ends = np.array([len(sound) / RATE for sound in sounds])
    recorded = Sounds.of(sounds, RATE, np.zeros(4), ends)
    still = move_formants(recorded, np.arange(4), np.full((4, 4), np.nan))
    assert not still.missed.any()
    assert (still.sounds.samples - recorded.samples).abs().max().item() < 1e-6


def test_a_dull_resonance_gets_sharper_as_it_moves():
    hertz = np.repeat(np.array([[[500, 1500, 2500, 3600, 4600, 6000, 7000.0]]]), 3, axis=1)
    wide = np.full_like(hertz, 80.0)
    wide[..., 1] = 300.0
    sound = voice(np.full((1, 3), 120.0), hertz, wide, np.array([0.16]), RATE, np.random.default_rng(0))
    recorded = Sounds.of(sound, RATE, np.zeros(1), np.array([0.16]))
    targets = np.full((2, 4), np.nan)
    targets[:, 1] = recorded.shared(measures.formants)[0][0, 1], 2000.0
    moved = move_formants(recorded, np.zeros(2, dtype=int), targets)
    still, sharp = moved.sounds.shared(measures.formants)[1][:, 1]
    assert still > 200
    assert sharp < 150
    assert not moved.missed.any()


def test_a_closed_loop_comes_nearer():
    sounds = vowels()
    ends = np.array([len(sound) / RATE for sound in sounds])
    targets = GRID.targets()
    errors = []
    for rounds in (0, 3):
        recorded = Sounds.of(sounds, RATE, np.zeros(4), ends)
        moved = move_formants(recorded, np.zeros(len(targets), dtype=int), targets, rounds=rounds)
        errors.append(np.nanmedian(np.abs(moved.achieved - targets)[:, :2]))
    assert errors[1] < errors[0] / 2


def test_a_listener_to_f2_has_the_territory_of_f2():
    trials = grid_trials(by_ear, TOKENS, vowels(), RATE, ["front", "back"], GRID)
    found = territory(trials, GRID)
    assert (found["winner"].values == np.where(GRID.places[1] > 1500, "front", "back")).mean() > 0.95
    assert trials.log_p.shape == (1, 48, 2)
    assert found.attrs["stimuli"] == 48


def test_context_is_neither_asked_about_nor_measured():
    context = 0.05
    part = next(grid_stimuli(TOKENS, vowels(context), RATE, GRID, context=context, rounds=1))
    assert {len(sound) for sound in part.sounds} == {round(0.16 * RATE)}
    assert part.table["missed"].mean() < 0.15


def test_grids_and_targets_that_make_no_sense_are_refused():
    with pytest.raises(PerceptionError, match="rising"):
        FormantGrid(first="f2", second="f1")
    with pytest.raises(PerceptionError, match="two or more"):
        FormantGrid(steps=(1, 5))
    with pytest.raises(PerceptionError, match="expected as many"):
        next(grid_stimuli(TOKENS, vowels()[:2], RATE))
    ends = np.array([len(sound) / RATE for sound in vowels()])
    recorded = Sounds.of(vowels(), RATE, np.zeros(4), ends)
    with pytest.raises(AudioError, match="rise from formant to formant"):
        move_formants(recorded, np.array([0]), np.array([[900.0, np.nan, 800.0, np.nan]]))
    with pytest.raises(AudioError, match="shape"):
        move_formants(recorded, np.array([0]), np.zeros((1, 2)))


def test_places_where_formants_would_meet_are_left_out():
    targets = FormantGrid().targets()
    assert (targets[:, 1] - targets[:, 0]).min() >= 200.0
    assert len(targets) < 21 * 21
    assert np.isnan(targets[:, 2:]).all()
    grid = FormantGrid(first="f2", second="f3", first_hz=(900.0, 2200.0), second_hz=(1500.0, 3000.0), steps=(4, 5))
    cells = grid.cells(*grid.targets()[:, 1:3].T)
    assert len(np.unique(cells)) == len(cells)
    assert grid.cells(np.array([100.0, np.nan]), np.array([2000.0, 2000.0])).tolist() == [-1, -1]


def test_f0_and_a_formant_are_moved_together():
    grid = FormantGrid("f0", "f2", (100.0, 200.0), (1100.0, 2100.0), (3, 3))
    made = list(grid_stimuli(TOKENS, vowels(0.05), RATE, grid, context=0.05))
    table = pd.concat([each.table for each in made], ignore_index=True)
    assert len(table) == 4 * 9
    assert table["missed"].mean() < 0.15
    sounds = [sound for each in made for sound in each.sounds]
    heard = table[~table["missed"]]
    ends = np.array([len(sound) / RATE for sound in sounds])
    pitch = measures.f0(Sounds.of(sounds, RATE, np.zeros(len(sounds)), ends))[heard.index]
    assert np.nanmedian(np.abs(pitch / heard["intended_f0"] - 1)) < 0.02
    found = token_formants(sounds, RATE, ceiling=5500.0, positions=[0.5]).loc[heard.index]
    assert np.nanmedian(np.abs(found["f2_50"] / heard["intended_f2"] - 1)) < 0.04
    assert set(grid.cells(heard["f0"].to_numpy(), heard["f2"].to_numpy())) == set(range(9))
    assert heard["before_f0"].between(105, 145).all()
