import numpy as np
import pytest

from phonoscope.errors import CorpusError
from phonoscope.synthesis.talkers import SCALE_SD, draw_talkers, published_vowels, require_phones, spread_left


def test_published_table_holds_the_known_means():
    table = published_vowels()
    assert len(table) == 36
    assert (table["m", "i"]["f1"], table["m", "i"]["f2"]) == pytest.approx((342.7, 2322.8))
    assert table["f", "æ"]["duration_ms_sd"] == pytest.approx(50.1)
    # The movement of the Michigan /æ/, women: F1 677 / 756 / 808 Hz.
    assert [table["f", "æ"][f"f1_{p}_ratio"] for p in (20, 50, 80)] == pytest.approx([1.002, 1.124, 1.205])


def test_a_talker_does_not_depend_on_how_many_are_drawn():
    assert draw_talkers(12, seed=3)[:5] == draw_talkers(5, seed=3)
    assert draw_talkers(5, seed=3) != draw_talkers(5, seed=4)


def test_names_are_unique_and_groups_take_turns():
    talkers = draw_talkers(10)
    assert len({talker.name for talker in talkers}) == 10
    assert [talker.sex for talker in talkers[:6]] == ["m", "f", "c", "m", "f", "c"]


def test_spread_of_the_scale_between_talkers():
    talkers = draw_talkers(3000, seed=1)
    for sex, sd in SCALE_SD.items():
        scales = [talker.scale for talker in talkers if talker.sex == sex]
        assert np.mean(scales) == pytest.approx(1, abs=4 * sd / np.sqrt(1000))
        assert np.std(scales) == pytest.approx(sd, rel=0.08)


def test_spread_left_adds_up_to_the_total():
    rng = np.random.default_rng(0)
    known, total = 0.05, 0.12
    product = (1 + known * rng.standard_normal(400_000)) * (
        1 + spread_left(total, known) * rng.standard_normal(400_000)
    )
    assert product.std() == pytest.approx(total, rel=0.01)
    assert spread_left(0.05, 0.05) == 0


def test_impossible_requests_are_refused():
    with pytest.raises(CorpusError, match="at least one"):
        draw_talkers(0)
    with pytest.raises(CorpusError, match="cannot be part"):
        spread_left(0.03, 0.05)


@pytest.mark.parametrize(
    ("phones", "repeats", "says"), [(["i", "y"], 1, "found vowels y and"), ([], 1, "none"), (["i"], 0, "repeats=0")]
)
def test_phones_that_no_talker_says_are_refused(phones, repeats, says):
    with pytest.raises(CorpusError, match=says):
        require_phones("vowels", phones, ["i", "u"], repeats)
    require_phones("vowels", ["i"], ["i", "u"], 1)
