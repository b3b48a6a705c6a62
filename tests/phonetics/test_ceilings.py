import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.errors import AudioError
from phonoscope.phonetics.ceilings import FormantSettings, ceiling_for, speaker_ceilings, widest_bandwidth


@pytest.mark.parametrize(
    ("sex", "age", "hertz"),
    [
        ("m", None, 5000),
        ("f", 34, 5500),
        ("c", None, 6250),
        (None, None, 5500),
        ("m", "4;6", 8000),
        ("f", "6,5", 8000),
        ("m", "7", 6250),
        ("m", 12.9, 6250),
        ("m", "13", 5000),
        ("f", "twenties", 5500),
        (None, "child", 6250),
        ("m", float("nan"), 5000),
    ],
)
def test_age_goes_before_sex_and_only_children_have_one_that_counts(sex, age, hertz):
    assert ceiling_for(sex, age) == hertz


@given(age=st.floats(0, 120), older=st.floats(0, 120), sex=st.sampled_from(["m", "f", "c", None]))
def test_who_is_older_has_no_higher_ceiling(age, older, sex):
    young, old = sorted((age, older))
    assert ceiling_for(sex, young) >= ceiling_for(sex, old)


def test_each_ceiling_says_where_it_comes_from():
    tokens = pd.DataFrame(
        {
            "ceiling": ["5321", np.nan, np.nan, np.nan],
            "age": ["4", "5", np.nan, np.nan],
            "sex": ["f", "f", "m", np.nan],
        }
    )
    hertz, source = speaker_ceilings(tokens, FormantSettings())
    assert hertz.tolist() == [5321, 8000, 5000, 5500]
    assert source.tolist() == ["table of speakers", "age", "sex", "default"]
    hertz, source = speaker_ceilings(tokens, FormantSettings(ceiling=4800.0))
    assert hertz.tolist() == [4800] * 4
    assert set(source) == {"given"}


@pytest.mark.parametrize("cell", ["high", "55000", "50"])
def test_a_ceiling_that_cannot_be_meant_is_refused(cell):
    with pytest.raises(AudioError, match=r"table of speakers.*Hz"):
        speaker_ceilings(pd.DataFrame({"ceiling": [cell]}), FormantSettings())


def test_settings_are_read_from_text_and_from_toml():
    settings = FormantSettings.of({"ceiling": "4800", "positions": "0.25, 0.5,0.75", "formants": 4})
    assert settings == FormantSettings(ceiling=4800.0, positions=(0.25, 0.5, 0.75), formants=4)
    assert FormantSettings.of({"ceiling": 4800, "positions": [0.25, 0.5, 0.75], "formants": 4}) == settings
    assert FormantSettings.of({"ceiling": "Per-Token"}).on_a_ladder
    assert not FormantSettings.of({}).on_a_ladder


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ceiling": "high"}, "per-token"),
        ({"ceiling": 100}, "2000 to 16000"),
        ({"formants": 1}, "from 2 to 10"),
        ({"formants": 4.5}, "from 2 to 10"),
        ({"positions": "a,b"}, "fractions"),
        ({"positions": "0.5,0.501"}, "different fractions"),
        ({"positions": "1.5"}, "0 to 1"),
        ({"positions": ""}, "missing"),
        ({"window": 1}, "unknown setting of formants: window"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, says):
    with pytest.raises(AudioError, match=says):
        FormantSettings.of(given)


def test_wide_poles_are_no_formants_and_high_ones_may_be_wider():
    assert widest_bandwidth(np.array(1624.0)) < 1325
    limits = widest_bandwidth(np.linspace(0, 8000, 50))
    assert (np.diff(limits) >= 0).all()
    assert limits[0] == 700
    assert limits[-1] == 1500
