"""Does the model use it? Models that are known to, models that cannot, and what the table says of them."""

import numpy as np
import pandas as pd
import pytest

from phonoscope.audit import battery
from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.battery import CLEAN, FINDINGS, IN_DATA, REACTS, USED, Recordings, audit, finding_of, strongest
from phonoscope.audit.sentences import sentence_of
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.audit.using import choose_pairs, log_odds
from phonoscope.errors import AuditError
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED

SOME = ("level", "noise-floor", "edge-silence")


@pytest.fixture(scope="module")
def recordings(heard):
    """A hundred and twenty recordings of two classes, of which B is 6 dB louder, with 4 dB more background."""
    rng = np.random.default_rng(0)
    anatomies, classes = [], []
    for number in range(120):
        b = number % 2
        level = 0.05 * 10 ** ((3 * rng.standard_normal() + 6 * b) / 20)
        own = heard(number, level=level, floor_db=-38 + 4 * b + 2 * rng.standard_normal(), lead=rng.uniform(0.1, 0.2))
        anatomies.append(Anatomy(own.samples, own.rate))
        classes.append("AB"[b])
    clusters = pd.DataFrame({"speaker": [f"s{k // 4}" for k in range(120)], "recording": [str(k) for k in range(120)]})
    return Recordings(anatomies, classes, clusters)


def two(odds):
    return np.stack([-odds, odds], axis=-1)[None]


def by_level(sounds):
    return two(np.array([20 * np.log10(np.quantile(np.abs(each), 0.9)) + 27 for each in sounds]) * 0.5)


def by_nothing(sounds):
    return two(np.full(len(sounds), 0.7))


def by_lead(sounds):
    return two(np.array([1e-3 * np.argmax(np.abs(each) > 0.25 * np.abs(each).max()) - 1.2 for each in sounds]) * 8)


def findings(recordings, answer):
    return audit(recordings, ["A", "B"], answer, shortcuts=SOME).set_index("shortcut")


def test_a_model_that_goes_by_level_is_found_and_what_it_leaves_alone_is_not(recordings):
    found = findings(recordings, by_level)
    assert found.loc["level", "finding"] == USED
    assert found.loc["level", "difference"] == pytest.approx(0.5 * 6, abs=1)  # half a logit a decibel
    assert found.loc["level", "effect"] < found.loc["level", "sham"]
    assert found.loc["noise-floor", "finding"] == IN_DATA
    assert found.loc["edge-silence", "finding"] in (CLEAN, OPEN)
    assert strongest(found.reset_index()) == "level"


def test_a_model_that_hears_nothing_uses_nothing(recordings):
    found = findings(recordings, by_nothing)
    assert found["used"].eq(CONTRADICTED).all()
    assert found.loc["level", "finding"] == IN_DATA
    assert strongest(found.reset_index()) == ""


def test_a_model_that_hears_what_no_class_has_more_of_reacts(recordings):
    found = findings(recordings, by_lead)
    assert found.loc["edge-silence", "used"] != SUPPORTED
    assert found.loc["edge-silence", "reaction"] == SUPPORTED
    assert found.loc["edge-silence", "reacts"] > 0.2
    assert found.loc["edge-silence", "finding"] in (REACTS, OPEN)


def test_trainings_are_averaged_and_progress_is_told(recordings):
    seen = []
    one = audit(recordings, ["A", "B"], by_level, shortcuts=["level"])
    both = audit(
        recordings, ["A", "B"], lambda sounds: np.concatenate([by_level(sounds), by_nothing(sounds)]),
        shortcuts=["level"], progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert both.loc[0, "trainings"] == 2
    assert both.loc[0, "difference"] == pytest.approx(one.loc[0, "difference"] / 2, rel=0.05)
    assert seen == [(1, 1)]


def test_a_sentence_says_what_was_found(recordings):
    before = by_level([each.samples for each in recordings.anatomies])
    item = battery.audit_one(SHORTCUTS["level"], recordings, ["A", "B"], before, by_level)
    row = battery.findings_table([item]).iloc[0]
    sentence = sentence_of(item, row)
    assert "recordings of B have" in sentence
    assert "dB more of it" in sentence
    assert "The model uses it." in sentence


@pytest.mark.parametrize(
    ("in_data", "used", "reacts", "finding"),
    [
        (SUPPORTED, SUPPORTED, OPEN, USED),
        (SUPPORTED, CONTRADICTED, SUPPORTED, IN_DATA),
        (SUPPORTED, OPEN, OPEN, OPEN),
        (CONTRADICTED, OPEN, SUPPORTED, REACTS),
        (CONTRADICTED, CONTRADICTED, OPEN, CLEAN),
        (CONTRADICTED, OPEN, OPEN, OPEN),
        (OPEN, SUPPORTED, SUPPORTED, OPEN),
    ],
)
def test_what_follows_from_the_verdicts(in_data, used, reacts, finding):
    assert finding_of(in_data, used, reacts) == finding
    assert finding in FINDINGS


def test_colour_of_speech_and_background_together_are_the_channel():
    def named(background, channel):
        rows = [("background", background), ("channel", channel), ("level", 0.9)]
        return strongest(pd.DataFrame([{"shortcut": k, "difference": v, "finding": USED} for k, v in rows]))

    assert named(0.7, 0.5) == "channel"
    assert named(1.0, 0.2) == "background"
    assert named(0.5, 0.2) == "level"


def test_donors_lie_at_the_same_quantile_of_the_class_that_is_answered_and_of_another():
    rng = np.random.default_rng(0)
    classes = np.arange(90) % 3
    place = np.concatenate([rng.permutation(30) for _ in range(3)]).reshape(3, 30).T.ravel().astype(float)
    scores = np.stack([-((np.arange(3)[k] - (classes + place / 30)) ** 2) for k in range(3)], axis=1)
    answers = rng.integers(0, 3, 90)
    pairs = choose_pairs(scores, classes, answers, seed=1)
    assert (classes[pairs.own] == answers[pairs.recording]).all()
    assert (classes[pairs.other] != answers[pairs.recording]).all()
    for i, own, other in zip(*pairs, strict=True):
        mine, against = classes[own], classes[other]
        tells = scores[:, against] - scores[:, mine]
        ranks = [np.mean(tells[classes == classes[k]] < tells[k]) for k in (own, other)]
        assert abs(ranks[0] - ranks[1]) < 0.05, i


def test_log_odds_of_softmax_sigmoid_and_one_number():
    logits = np.log([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(log_odds(logits, "classes"), np.log([[0.7 / 0.3, 0.2 / 0.8, 0.1 / 0.9]]))
    np.testing.assert_allclose(log_odds(np.array([[1.5]]), "labels"), [[-1.5, 1.5]])
    np.testing.assert_allclose(log_odds(np.array([[1.0, -2.0]]), "labels"), [[1.0, -2.0]])
    with pytest.raises(AuditError, match="embedding"):
        log_odds(logits, "embedding")


def test_nothing_to_audit_is_refused():
    empty = Recordings([], [], pd.DataFrame({"speaker": [], "recording": []}))
    with pytest.raises(AuditError, match="no recording"):
        audit(empty, ["A", "B"], by_level)


def test_groups_are_speakers_unless_a_class_has_only_one():
    table = pd.DataFrame({"speaker": list("wwxxyy"), "recording": list("123456")})
    assert Recordings([], list("ababab"), table).groups == list("wwxxyy")
    assert Recordings([], list("aabbcc"), table).groups == list("123456")
    unknown = table.assign(speaker=[None, *"wxxyy"])
    assert Recordings([], list("ababab"), unknown).groups == list("123456")
