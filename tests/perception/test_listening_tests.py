"""A listening test is written, taken by simulated participants, read, and fitted."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from tests.perception.people import LABELS, RATE, answers_of, stimuli_of

from phonoscope.errors import PerceptionError
from phonoscope.left_out import left_out_line
from phonoscope.perception import listener_curves, listening_stimuli, read_answers, write_for_praat, write_for_web
from phonoscope.perception.presenting import Presented

WEB = ["participant", "trial", "file", "token", "class", "cue", "step", "achieved", "unit", "answer", "seconds"]


@pytest.fixture(scope="module")
def presented():
    return stimuli_of(cues=("f2", "level"))


def experiment_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="experiment">(.*?)</script>', text, re.DOTALL)[1])


def loudness(sound):
    return 20 * np.log10(np.sqrt(np.square(sound).mean()))


def reasons(answers):
    return {entry["reason"]: entry["count"] for entry in answers.attrs["left_out"]}


def test_levels_survive_and_names_tell_nothing(presented):
    table, sounds = listening_stimuli(presented, RATE)
    assert len(table) == len(sounds) == 3 * 2 * 7
    assert max(np.abs(sound).max() for sound in sounds) == pytest.approx(0.9)
    level = table["cue"] == "level"
    for _, own in table[level].groupby("token"):
        at = own.sort_values("step")
        heard = [loudness(sounds[i]) for i in at.index]
        assert np.diff(heard) == pytest.approx(np.diff(at["step"]), abs=0.1)
    assert list(table["file"]) == sorted(table["file"])
    assert not table["achieved"].is_monotonic_increasing
    assert np.abs([sound[[0, -1]] for sound in sounds]).max() < 0.01
    again, _ = listening_stimuli(presented, RATE)
    pd.testing.assert_frame_equal(table, again)


def test_what_missed_and_shams_are_not_heard_unless_asked_for(presented):
    rows = presented.table.assign(missed=np.arange(len(presented.table)) == 3,
                                  sham=np.arange(len(presented.table)) == 5)  # fmt: skip
    own = Presented(rows, presented.sounds)
    assert len(listening_stimuli(own, RATE)[0]) == len(rows) - 2
    with_shams, _ = listening_stimuli(own, RATE, shams=True)
    assert with_shams["sham"].sum() == 1
    with pytest.raises(PerceptionError, match="nothing to listen to"):
        listening_stimuli(Presented(rows.assign(missed=True), presented.sounds), RATE)
    with pytest.raises(PerceptionError, match="silent"):
        listening_stimuli(Presented(rows, [0 * sound for sound in presented.sounds]), RATE)


def test_praat_reads_the_experiment_and_its_sounds(presented, tmp_path):
    parselmouth = pytest.importorskip("parselmouth", reason="parselmouth is not installed: no Praat to read with")
    labels = ["i", "ɑ_1", 'so "called"', "100 %", "e", "u\\o"]
    script = write_for_praat(tmp_path, presented, RATE, labels, title="Vowels #1", repeats=3, break_after=20)
    saved = tmp_path / "as_praat_read_it.txt"
    kind, _ = parselmouth.praat.run(
        f'Read from file: "{script}"\nSave as text file: "{saved}"\nwriteInfo: selected$()', capture_output=True
    )[::-1]
    assert kind.startswith("ExperimentMFC listening")
    raw = saved.read_bytes()
    read = raw.decode("utf-16" if raw[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8")
    facts = dict(re.findall(r"^(\w+)\?? = (.*?) ?$", read, re.MULTILINE))
    assert facts["numberOfDifferentStimuli"] == "42"
    assert facts["numberOfReplicationsPerStimulus"] == "3"
    assert facts["breakAfterEvery"] == "20"
    assert facts["randomize"] == "<PermuteBalancedNoDoublets>"
    assert facts["numberOfDifferentResponses"] == "6"
    responses = re.search(r"^response \[\]:(.*)numberOfGoodness", read, re.DOTALL | re.MULTILINE)[1]
    names = re.findall(r'name = "((?:[^"]|"")*)"', responses)
    assert [name.replace('""', '"') for name in names] == labels
    places = np.array(re.findall(r"(?:left|right|bottom|top) = (\S+)", responses), dtype=float).reshape(-1, 4)
    assert (places >= 0).all()
    assert (places <= 1).all()
    assert (places[:, 1] > places[:, 0]).all()
    assert (places[:, 3] > places[:, 2]).all()
    for n, a in enumerate(places):
        for b in places[:n]:
            assert a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3], "buttons lie on one another"
    stimuli = pd.read_csv(tmp_path / "stimuli.csv")
    for name in stimuli["file"]:
        sound = parselmouth.Sound(str(tmp_path / "sounds" / name))
        assert (sound.sampling_frequency, sound.n_channels) == (RATE, 1)
    assert {soundfile.info(tmp_path / "sounds" / name).subtype for name in stimuli["file"]} == {"PCM_16"}


def test_results_of_praat_are_read(presented, tmp_path):
    """Praat itself collects and saves the results; one trial has no answer yet."""
    parselmouth = pytest.importorskip("parselmouth", reason="parselmouth is not installed: no Praat to write with")
    write_for_praat(tmp_path / "test", presented, RATE, LABELS)
    stimuli = pd.read_csv(tmp_path / "test" / "stimuli.csv")
    said = answers_of(stimuli[stimuli["cue"] == "f2"], participants=2, repeats=1)
    collect = []
    for who, own in said.groupby("participant"):
        trials = "\n".join(f'"{file[:-4]}" "{answer}" 0 {seconds}' for file, answer, seconds
                           in own[["file", "answer", "seconds"]].itertuples(index=False))  # fmt: skip
        text = f'File type = "ooTextFile"\nObject class = "ResultsMFC 2"\n{len(own) + 1}\n{trials}\n"s01|a|b" "" 0 0\n'
        (tmp_path / f"{who}.ResultsMFC").write_text(text)
        collect.append(f'{who} = Read from file: "{tmp_path / who}.ResultsMFC"')
    names = ", ".join(sorted(said["participant"].unique()))
    forms = {"tab": "tab-separated", "csv": "comma-separated", "Table": "text", "txt": "short text"}
    save = [f'Save as {how} file: "{tmp_path}/all.{suffix}"' for suffix, how in forms.items()]
    long = [f'selectObject: {name}\nSave as text file: "{tmp_path}/{name}.txt"' for name in names.split(", ")]
    parselmouth.praat.run("\n".join([*collect, f"selectObject: {names}", "Collect to Table", *save, *long]))
    files = [*(tmp_path / f"all.{suffix}" for suffix in forms), sorted(tmp_path.glob("*.ResultsMFC")),
             [tmp_path / f"{name}.txt" for name in names.split(", ")]]  # fmt: skip
    for file in files:
        found = read_answers(file, tmp_path / "test" / "stimuli.csv", LABELS)
        assert len(found) == len(said)
        assert reasons(found) == {"nothing was answered": 2}
        keys = ["participant", "trial"]
        both = found.merge(said, on=keys, suffixes=("", "_said"))
        assert len(both) == len(said)
        for name in ("answer", "seconds", "achieved", "class", "cue", "f3"):
            assert (both[name] == both[f"{name}_said"]).all(), (file, name)


def test_the_page_holds_everything(presented, tmp_path):
    page = write_for_web(tmp_path / "test.html", presented, RATE, ["i", "</script>"], title="<b>Vowels</b>", repeats=3)
    text = page.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["test.html"]
    assert "<b>" not in text
    assert text.count("</script>") == 2
    assert not re.search(r"(?:src|href)\s*=|https?:|@import|url\(", text.partition('id="experiment"')[0])
    experiment = experiment_of(page)
    assert experiment["labels"] == ["i", "</script>"]
    table, sounds = listening_stimuli(presented, RATE)
    heard = [soundfile.read(io.BytesIO(base64.b64decode(sound))) for sound in experiment["sounds"]]
    assert {rate for _, rate in heard} == {RATE}
    assert all(np.abs(one - own).max() < 1e-4 for (one, _), own in zip(heard, sounds, strict=True))
    stimuli = pd.DataFrame(experiment["stimuli"], columns=experiment["columns"])
    assert list(stimuli["file"]) == list(table["file"])
    assert stimuli["achieved"].astype(float).to_numpy() == pytest.approx(table["achieved"].to_numpy(), rel=1e-6)


def test_from_the_page_to_the_curves(presented, tmp_path):
    """What simulated participants save, as the page would write it, gives back their boundary."""
    experiment = experiment_of(write_for_web(tmp_path / "test.html", presented, RATE, LABELS))
    stimuli = pd.DataFrame(experiment["stimuli"], columns=experiment["columns"])
    stimuli = stimuli.assign(achieved=stimuli["achieved"].astype(float))
    more = [name for name in experiment["columns"] if name not in WEB]
    (tmp_path / "saved").mkdir()
    for who, own in answers_of(stimuli[stimuli["cue"] == "f2"], participants=12).groupby("participant"):
        own[[*WEB, *more]].to_csv(tmp_path / "saved" / f"answers-{who}.csv", index=False)
    answers = read_answers(tmp_path / "saved", labels=LABELS)
    assert answers.attrs == {"labels": LABELS, "left_out": []}
    curves = listener_curves(answers)
    row = curves[curves["participant"].isna() & (curves["unit"] == "Hz")].iloc[0]
    assert row["low"] < 1600 < row["high"]
    assert row["high"] - row["low"] < 100
    assert "f3-f2" in set(curves["measure"])


def test_what_cannot_be_used_is_reported_with_its_line(tmp_path):
    head = "subject;class;cue;achieved;response;remark"
    lines = ["a;u;f2;1600,5;i;1", "a;u;f2;1700;y;1", "a;u;f2;much;i;1", ";u;f2;1700;i;1", "a;u;f2;1700;;1",
             "a;u;f2;1700", "", "b;u;f2;1800;u;2", "b;;f2;1800;u;2"]  # fmt: skip
    (tmp_path / "lab.csv").write_text("\n".join([head, *lines]), encoding="utf-8")
    found = read_answers(tmp_path / "lab.csv", labels=LABELS)
    assert list(found["achieved"]) == [1600.5, 1800.0]
    assert list(found["trial"]) == [1, 1]
    assert list(found["remark"]) == [1, 2]
    assert len(reasons(found)) == 6
    assert set(reasons(found).values()) == {1}
    told = " | ".join(map(left_out_line, found.attrs["left_out"]))
    for place in ("line 3", "line 4", "line 5", "line 6", "line 7", "line 10", "'y'"):
        assert place in told, place


def test_answers_saved_twice_count_once(tmp_path):
    stimuli = listening_stimuli(stimuli_of(), RATE)[0]
    own = answers_of(stimuli, participants=1)
    own.head(10).to_csv(tmp_path / "answers-half.csv", index=False)
    own.to_csv(tmp_path / "answers-whole.csv", index=False)
    found = read_answers(tmp_path)
    assert len(found) == len(own)
    assert reasons(found) == {"the same answer stands twice": 10}


def test_answers_to_unknown_stimuli_are_reported(tmp_path):
    stimuli = listening_stimuli(stimuli_of(), RATE)[0]
    said = answers_of(stimuli, participants=1, repeats=1)[["participant", "file", "answer"]]
    said.loc[0, "file"] = "other.wav"
    said.to_csv(tmp_path / "answers.csv", index=False)
    assert reasons(read_answers(tmp_path / "answers.csv", stimuli)) == {
        "to a stimulus that is not in the table of stimuli": 1
    }
    with pytest.raises(PerceptionError, match="give stimuli="):
        read_answers(tmp_path / "answers.csv")


def test_what_is_no_table_of_answers_is_refused(tmp_path):
    with pytest.raises(PerceptionError, match="cannot be read"):
        read_answers(tmp_path / "nothing.csv")
    with pytest.raises(PerceptionError, match="expected files with"):
        read_answers(tmp_path)
    cases = {
        "tokens.csv": ("token,start,end\n1,2,3\n", "no table of answers"),
        "empty.csv": ("participant,answer\n", "no answers in"),
        "useless.csv": ("participant,answer,class,cue,achieved\na,,u,f2,1\n", "can be used"),
        "a.ResultsMFC": ('"ooTextFile"\n"ResultsMFC 2"\n2\n"s1" "i" 0 0\n', "promised"),
        "a.Table": ('"ooTextFile"\n"Table"\n2\n"subject" "response"\n1\n2 "a"\n', "do not fill"),
        "a.TextGrid.txt": ('"ooTextFile"\n"TextGrid"\n0 1\n', "Collect to Table"),
    }
    for name, (text, message) in cases.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(PerceptionError, match=message):
            read_answers(tmp_path / name)


@pytest.mark.parametrize(("labels", "options", "message"), [
    (["i"], {}, "2 to 19 labels"),
    (["i", "i"], {}, "button of its own"),
    (["i", "u"], {"repeats": 0}, "at least once"),
])  # fmt: skip
def test_tests_that_cannot_be_taken_are_refused(presented, tmp_path, labels, options, message):
    for write in (write_for_praat, write_for_web):
        with pytest.raises(PerceptionError, match=message):
            write(tmp_path / "test", presented, RATE, labels, **options)
