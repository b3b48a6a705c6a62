"""Audits through the command line: what the classes differ in is planted, what each model hears is known."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from phonoscope.experiments.folder import Run
from phonoscope.tasks.audit.mending import LABELS_NAME
from phonoscope.tasks.audit.page import most_important_band

RATE = 8000
SPEAKERS, OF_EACH = 8, 10
LOUDER_DB, EARLIER_SECONDS = 6.0, 0.1


def spoken(rng, pitch):
    """Something like a syllable: harmonics that rise and fall, 0.3 s."""
    t = np.arange(round(0.3 * RATE)) / RATE
    harmonics = sum(np.sin(2 * np.pi * pitch * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
    return harmonics * np.hanning(len(t)) ** 0.5


def loudness(sounds):
    """Answers by level alone."""
    powers = [np.convolve(np.square(sound), np.ones(1600) / 1600, "same").max() for sound in sounds]
    return np.stack([np.zeros(len(sounds)), 0.5 * (10 * np.log10(np.array(powers) + 1e-12) + 24.0)], axis=1)


def beginning(sounds):
    """Answers by when the sound begins."""
    loud = [np.convolve(np.square(sound), np.ones(80) / 80, "same") for sound in sounds]
    begins = np.array([np.argmax(each > 0.05 * each.max()) / RATE for each in loud])
    return np.stack([np.zeros(len(sounds)), 20 * (0.2 - begins)], axis=1)


def number(sounds):
    """No classes: one number."""
    return np.array([[float(np.mean(np.square(sound)))] for sound in sounds])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Recordings of two classes: ``loud`` ones are louder, and begin earlier; ``device`` says nothing."""
    folder, rng, rows = tmp_path_factory.mktemp("audited"), np.random.default_rng(0), []
    for speaker in range(SPEAKERS):
        for at in range(OF_EACH):
            loud = at % 2
            gain = 10 ** ((LOUDER_DB * (loud - 0.5) + rng.normal(0, 2)) / 20)
            edges = 0.2 - EARLIER_SECONDS * (loud - 0.5) + rng.normal(0, 0.03), rng.uniform(0.1, 0.2)
            before, after = (np.zeros(round(max(seconds, 0.02) * RATE)) for seconds in edges)
            sound = 0.05 * np.concatenate([before, spoken(rng, 100 + 12 * speaker), after]) * gain
            sound += 10 ** (-60 / 20) * rng.standard_normal(len(sound))
            name = f"{'loud' if loud else 'soft'}/{speaker}_{at}.wav"
            (folder / name).parent.mkdir(exist_ok=True)
            soundfile.write(folder / name, sound, RATE)
            rows.append({"recording": name, "speaker": f"s{speaker}", "device": rng.choice(["a", "b"])})
    pd.DataFrame(rows).to_csv(folder / "speakers.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def audited(corpus, phonoscope, tmp_path_factory):
    """Audit of a model by name, with further options."""
    said = ("--trust-imports", "--sample-rate", RATE, "--model-labels", "soft,loud", "--seed", 0)
    recordings = ("--corpus", corpus, "--labels", "from-folder", "--speakers", corpus / "speakers.csv")
    recipe = corpus / "small.toml"
    recipe.write_text(
        'name = "small"\ntask = "audit"\ntitle = "Small"\nquestion = "Which?"\npairs = 80\n'
        'shortcuts = ["level", "edge-silence", "dc"]\nreactions = ["speech-removed", "trimmed", "codec"]\n'
    )
    few = ("--recipe", recipe)

    def audit(model, *further, out=None):
        out = out or tmp_path_factory.mktemp(model) / "audit"
        return out, phonoscope("audit", f"{__name__}:{model}", *said, *recordings, *few, "--out", out, *further)

    return audit


@pytest.fixture(scope="module")
def loud(audited):
    out, answer = audited("loudness", "--by", "device", "--json", "--fail-on", "used")
    return out, answer


def finding(answer, name):
    return next(each for each in answer.json["findings"] if each["shortcut"] == name)


def test_what_is_used_is_named_and_what_is_only_in_the_data_is_not(loud):
    _, answer = loud
    assert answer.json["n"] == SPEAKERS * OF_EACH
    assert answer.json["groups"] == SPEAKERS
    level, edges, dc = (finding(answer, name) for name in ("level", "edge-silence", "dc"))
    assert level["finding"] == "in the data and used"
    assert level["in_data"]["balanced_accuracy"] > level["in_data"]["null"]
    assert level["used"]["low"] < level["used"]["effect"] < level["used"]["high"] < level["used"]["sham"]
    assert edges["in_data"]["verdict"] == "supported"
    assert edges["finding"] == "in the data, not used"
    assert dc["used"]["verdict"] == "contradicted"
    assert "level" in answer.json["sentences"][0]


def test_another_model_on_the_same_recordings_uses_the_other(audited):
    _, answer = audited("beginning", "--json")
    assert answer.status == 0
    assert finding(answer, "edge-silence")["finding"] == "in the data and used"
    assert finding(answer, "level")["finding"] == "in the data, not used"


def test_status_for_continuous_integration(loud, audited):
    assert loud[1].status == 3
    assert "level" in loud[1].err
    _, refused = audited("loudness", "--fail-on", "everything")
    assert refused.status == 1
    assert "choose used" in refused.err


def test_what_was_not_tested_is_said_and_facts_of_the_corpus_are_told(loud):
    _, answer = loud
    assert any(text.startswith("Not asked for:") and "hum" in text for text in answer.json["not_tested"])
    device = finding(answer, "device")
    assert device["used"]["effect"] is None
    assert device["in_data"]["verdict"] != "supported"
    assert {"format", "order"} <= {each["shortcut"] for each in answer.json["findings"]}


def test_tables_sounds_and_pages(loud):
    out, _ = loud
    run = Run(out)
    sounds = run.table("sounds")
    assert list(sounds.loc[sounds["shortcut"] == "level", "version"]) == [
        "as recorded", "of its own class", "of another class",
    ]  # fmt: skip
    assert all((out / name).is_file() for name in sounds["file"])
    assert set(run.table("reactions")["reaction"]) == {"speech-removed", "trimmed", "codec"}
    assert len(run.table("measured").query("shortcut == 'level'")) == SPEAKERS * OF_EACH
    page = (out / "report.html").read_text("utf-8")
    assert "The model uses a shortcut: level." in page
    assert "What was not tested" in page
    card = (out / "card.md").read_text("utf-8")
    assert card.startswith("---\nmodel-index:")
    assert "**In the data and used**" in card
    assert "| level | supported |" in (out / "appendix.md").read_text("utf-8")


def bands(*rows):
    columns = ("reaction", "says", "decisions", "decisions_low", "decisions_high", "sham", "verdict")
    return pd.DataFrame(rows, columns=columns)


def test_the_page_names_the_band_of_the_speech_that_matters_most():
    low = ("speech-low", "without what its speech has below 1 kHz", 0.6, 0.5, 0.7, 0.1, "supported")
    high = ("speech-high", "without what its speech has above 3.4 kHz", 0.1, 0.0, 0.2, 0.1, "cannot be told")
    (said,) = most_important_band(bands(high, low))
    assert "below 1 kHz, 60 % (50 to 70 %)" in said
    assert said.endswith("That is more than the sham.")
    (said,) = most_important_band(bands(high, (*low[:2], 0.1, *low[3:])))
    assert said.startswith("No band of the speech matters more")
    assert most_important_band(bands(low)) == []


def test_mended_recordings_no_longer_tell_the_classes(audited, tmp_path):
    out, answer = audited("loudness", "--mend", tmp_path / "mended", "--json")
    assert answer.status == 0, answer.err
    table = pd.read_csv(tmp_path / "mended" / LABELS_NAME)
    assert len(table) == SPEAKERS * OF_EACH
    again = json.loads((out / "mended" / "run.json").read_text("utf-8"))["results"]["findings"]
    told = {each["shortcut"]: each["in_data"]["verdict"] for each in again}
    assert told["level"] != "supported"
    assert told["edge-silence"] != "supported"


def test_an_interrupted_audit_goes_on_where_it_stopped(audited, loud, tmp_path, monkeypatch):
    from phonoscope.tasks.audit import asking

    made, whole = [], asking.make

    def stops(unit):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(unit.name)
        whole(unit)

    out = tmp_path / "audit"
    monkeypatch.setattr(asking, "make", stops)
    audited("loudness", "--by", "device", out=out)
    assert (out / "_parts").is_dir()
    again = []
    monkeypatch.setattr(asking, "make", lambda unit: (again.append(unit.name), whole(unit)))
    _, answer = audited("loudness", "--by", "device", "--resume", "--json", out=out)
    assert answer.status == 0, answer.err
    assert not set(made) & set(again)
    assert answer.json["findings"] == loud[1].json["findings"]


def test_what_cannot_be_audited_is_refused(audited, corpus):
    _, numbers = audited("number", "--model-labels", "power")
    assert numbers.status == 1
    assert "classes" in numbers.err
    _, unknown = audited("loudness", "--by", "weather")
    assert unknown.status == 1
    assert "weather" in unknown.err
    assert "device" in unknown.err
    _, strange = audited("loudness", "--shortcuts", "smell")
    assert strange.status == 1
    assert "smell" in strange.err
