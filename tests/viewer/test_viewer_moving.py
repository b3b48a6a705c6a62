"""Cues moved by hand: what the routes answer, against the rooms that they stand on, and what they refuse."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient
from viewer_runs import client_of, unpacked

from phonoscope.audio import cut
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import held_out
from phonoscope.manipulate import Sounds
from phonoscope.manipulate.joint import move_formants
from phonoscope.perception import ask
from phonoscope.phonetics.ceilings import ceiling_for
from phonoscope.viewer import moving
from phonoscope.viewer.subject import subject_of

CONTEXT = 0.25
FORMANTS = ("f1", "f2", "f3", "f4")


@pytest.fixture(scope="module")
def client(made: Path) -> Iterator[TestClient]:
    with client_of(made) as one:
        yield one


@pytest.fixture(scope="module")
def token(client: TestClient) -> str:
    asked = {"run": 0, "outcome": "right", "class": "i"}
    return client.get("/api/tokens", params=asked).json()["rows"][0][0]


@pytest.fixture(scope="module")
def cues(client: TestClient, token: str) -> dict[str, Any]:
    return client.get("/api/cues", params={"run": 0, "token": token}).json()


def before(cues: dict[str, Any], name: str) -> float:
    return cues["cues"][name]["before"]


def moved(client: TestClient, token: str, **move: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    answer = client.get("/api/moved", params={"run": 0, "token": token, **move})
    assert answer.status_code == 200, answer.text
    return unpacked(answer.content)


def sound_of(client: TestClient, token: str, **asked: Any) -> tuple[np.ndarray, int]:
    return soundfile.read(
        io.BytesIO(client.get("/api/sound", params={"run": 0, "token": token, **asked}).content), dtype="float32"
    )


def refused(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    text = answer.json()["error"]
    assert "\n" not in text
    return text


def test_nothing_moved_is_the_token_as_it_is(client: TestClient, token: str, cues: dict[str, Any]) -> None:
    facts, arrays = moved(client, token)
    told = client.get("/api/token", params={"run": 0, "token": token}).json()
    assert facts["probabilities"] == pytest.approx(told["probabilities"], abs=1e-4)
    assert facts["predicted"] == told["row"]["predicted"] == cues["predicted"]
    assert facts["end"] == pytest.approx(told["end"])
    assert facts["words"] == []
    for name, cue in facts["cues"].items():
        assert cue["achieved"] == pytest.approx(before(cues, name), rel=1e-5)
        assert (cue["intended"], cue["missed"]) == (None, False)
    plain = unpacked(client.get("/api/picture", params={"run": 0, "token": token}).content)[1]
    np.testing.assert_array_equal(arrays["level"], plain["level"])
    np.testing.assert_array_equal(sound_of(client, token, what="moved")[0], sound_of(client, token)[0])


def test_formants_go_where_they_are_told_and_the_fold_s_network_is_asked(
    client: TestClient, token: str, cues: dict[str, Any], made: Path
) -> None:
    aims = {"f1": before(cues, "f1") + 80, "f2": before(cues, "f2") - 500}
    facts, arrays = moved(client, token, **aims)
    for name, aim in aims.items():
        assert facts["cues"][name]["intended"] == pytest.approx(aim)
        assert facts["cues"][name]["achieved"] == pytest.approx(aim, abs=30)
        assert not facts["cues"][name]["missed"]
    assert facts["cues"]["duration"]["achieved"] == pytest.approx(before(cues, "duration"))
    plain = unpacked(client.get("/api/picture", params={"run": 0, "token": token}).content)[1]
    assert (arrays["level"] != plain["level"]).any()
    assert facts["ms"] > 0
    # The same by hand: an experiment of perception would ask just so.
    run = Run(made)
    rows = run.tokens[run.tokens["token"] == token]
    rows.attrs = run.tokens.attrs
    rate = int(run.facts["sample_rate"])
    waveform = cut(rows, rate, context_seconds=CONTEXT)[0][0]
    ends = np.array([CONTEXT]), np.array([len(waveform) / rate - CONTEXT])
    recorded = Sounds.of([waveform], rate, *ends, ceiling_for(rows.iloc[0]["sex"]))
    target = np.array([[aims.get(name, np.nan) for name in FORMANTS]])
    sound = move_formants(recorded, np.zeros(1, dtype=int), target, rounds=4).sounds.arrays[0]
    edge = round(CONTEXT * rate)
    classifier = next(held_out(run, only=np.array([token]))).classifier
    expected = np.exp(ask(classifier, [sound[edge:-edge]]))[0]
    assert facts["probabilities"] == pytest.approx(expected, abs=1e-3)


def test_praat_finds_the_formant_where_the_page_says_it_is(
    client: TestClient, token: str, cues: dict[str, Any]
) -> None:
    parselmouth = pytest.importorskip("parselmouth", reason="extra praat is not installed")
    aim = before(cues, "f2") - 600
    moved(client, token, f2=aim)
    sound, rate = sound_of(client, token, what="moved", f2=aim, part="token")
    burg = parselmouth.Sound(sound.astype(float), rate).to_formant_burg(maximum_formant=6250.0)
    times = (0.5 + 0.1 * np.linspace(-1, 1, 5)) * len(sound) / rate
    assert np.median([burg.get_value_at_time(2, t) for t in times]) == pytest.approx(aim, rel=0.06)


def test_voice_tilt_and_formants_all_at_once(client: TestClient, token: str, cues: dict[str, Any]) -> None:
    pytest.importorskip("parselmouth", reason="extra praat is not installed")
    aims = {
        "f0": before(cues, "f0") * 0.8, "duration": before(cues, "duration") * 1.5,
        "tilt": before(cues, "tilt") - 3, "f2": before(cues, "f2") - 400,
    }  # fmt: skip
    facts, _ = moved(client, token, **aims)
    slack = {"f0": 3.0, "duration": 0.002, "tilt": 0.3, "f2": 60.0}
    for name, aim in aims.items():
        assert facts["cues"][name]["achieved"] == pytest.approx(aim, abs=slack[name])
    start, end = (client.get("/api/token", params={"run": 0, "token": token}).json()[edge] for edge in ("start", "end"))
    assert facts["end"] - start == pytest.approx(1.5 * (end - start), abs=0.002)
    around, rate = sound_of(client, token, what="moved", **aims)
    plain, _ = sound_of(client, token)
    assert (len(around) - len(plain)) / rate == pytest.approx(0.5 * (end - start), abs=0.002)
    alone, _ = sound_of(client, token, what="moved", part="token", **aims)
    assert len(alone) / rate == pytest.approx(1.5 * (end - start), abs=0.002)


def test_a_formant_that_misses_or_is_pushed_is_told_in_words(
    client: TestClient, token: str, cues: dict[str, Any]
) -> None:
    facts, _ = moved(client, token, f1=150)
    assert before(cues, "f0") > 200, "F1 cannot be heard out below F0"
    assert facts["cues"]["f1"]["missed"]
    assert any(text.startswith("F1 missed: it was to be 150 Hz and ") for text in facts["words"])
    facts, _ = moved(client, token, f2=540)
    assert any(text.startswith("F1 went along: from ") for text in facts["words"])


def test_many_at_once_are_what_they_are_one_by_one(client: TestClient, token: str, cues: dict[str, Any]) -> None:
    moves = [{"f1": 400.0, "f2": 1000.0}, {}, {"f2": 1500.0, "f3": 2600.0}, {"tilt": before(cues, "tilt") + 2}]
    answers = client.post("/api/heard", params={"run": 0, "token": token}, json={"moves": moves}).json()
    assert len(answers) == len(moves)
    for move, answer in zip(moves, answers, strict=True):
        facts, _ = moved(client, token, **move)
        assert answer["probabilities"] == pytest.approx(facts["probabilities"], abs=0.02)
        assert answer["missed"] == any(cue["missed"] for cue in facts["cues"].values())
        for name in move:
            assert answer["achieved"][name] == pytest.approx(facts["cues"][name]["achieved"], rel=0.02, abs=0.1)


def test_tracks_and_class_means_are_those_of_the_run(cues: dict[str, Any], token: str, made: Path) -> None:
    run = Run(made)
    tokens = run.tokens.set_index("token")
    row = tokens.loc[token]
    assert all(row["start"] <= at <= row["end"] for at in cues["time"])
    middle = len(cues["time"]) // 2
    for k in (0, 1):
        assert cues["frequency"][k][middle] == pytest.approx(before(cues, f"f{k + 1}"), rel=0.2)
    of_sex = tokens[tokens["sex"] == row["sex"]]
    measured = run.formants.set_index("token").reindex(of_sex.index)
    (mean,) = [one for one in cues["means"] if one["label"] == "i"]
    mine = measured[(of_sex["class"] == "i").to_numpy()]
    assert mean["f2"] == pytest.approx(mine["f2_50"].mean())
    assert mean["n"] == len(mine)
    assert {one["label"] for one in cues["means"]} == set(run.labels)


def test_one_s_own_voice_can_be_moved_too(client: TestClient, token: str, made: Path) -> None:
    row = Run(made).tokens.set_index("token").loc[token]
    around, rate = sound_of(client, token)
    buffer = io.BytesIO()
    soundfile.write(buffer, around, rate, format="WAV", subtype="FLOAT")
    number = client.post("/api/own", params={"name": "mine.wav"}, content=buffer.getvalue()).json()["number"]
    name = f"own:{number}:{CONTEXT:.4f}-{CONTEXT + row['end'] - row['start']:.4f}"
    facts, _ = moved(client, name, f2=1500)
    assert facts["cues"]["f2"]["achieved"] == pytest.approx(1500, abs=60)
    means = client.get("/api/cues", params={"run": 0, "token": name}).json()["means"]
    assert sum(one["n"] for one in means) == len(Run(made).formants.dropna(subset=["f1_50", "f2_50"])), "of all talkers"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("f2=99999", "expected a number from 500 to 3500"),
        ("f2=nan", "expected a number"),
        ("f2=high", "expected a number"),
        ("f1=1200&f2=1000", "F1 < F2"),
        ("duration=3", "duration is 3.0; expected a number from"),
        ("f3=2500&window=wider", "wide, narrow"),
        ("f3=2500&top_hz=1e9", "top_hz"),
    ],
)
def test_values_that_make_no_sense_are_refused(client: TestClient, token: str, asked: str, says: str) -> None:
    assert says in refused(client.get("/api/moved", params={"run": 0, "token": token, **dict(parse_qsl(asked))}))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{}", "1 to 64"),
        ('{"moves": []}', "1 to 64"),
        ('{"moves": [1]}', "1 to 64"),
        ('{"moves": [' + ",".join(["{}"] * 65) + "]}", "1 to 64"),
        ('{"moves": [{"f2": "1000"}]}', "expected a number"),
        ('{"moves": [{"f2": true}]}', "expected a number"),
        ('{"moves": [{"f2": NaN}]}', "expected a number"),
        ('{"moves": [{"f2": 1e999}]}', "expected a number"),
        ("[]", "small JSON object"),
    ],
)
def test_bodies_that_make_no_sense_are_refused(client: TestClient, token: str, body: str, says: str) -> None:
    kind = {"content-type": "application/json"}
    assert says in refused(client.post("/api/heard", params={"run": 0, "token": token}, content=body, headers=kind))


def test_without_praat_the_voice_stays_and_the_page_says_why(
    made: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "find_spec", lambda _name: None)
    with client_of(made) as client:
        cues = client.get("/api/cues", params={"run": 0, "token": token}).json()["cues"]
        for name in ("f0", "duration"):
            assert cues[name]["limits"] is None
            assert "pip install 'phonoscope[praat]'" in cues[name]["absent"]
        assert "phonoscope[praat]" in refused(client.get("/api/moved", params={"run": 0, "token": token, "f0": 200}))
        facts, _ = moved(client, token, f2=1500)
        assert facts["cues"]["f2"]["achieved"] == pytest.approx(1500, abs=60)


def test_what_cannot_be_measured_cannot_be_moved() -> None:
    silence = subject_of(np.zeros(16000, dtype=np.float32), 16000, 0.4, 0.6, token="nothing")
    can = moving.movable(silence)
    assert {"f1", "f2", "f0"} <= set(can.absent)
    assert can.absent["f2"] == "F2 cannot be measured in this token"
    with pytest.raises(moving.QueryError, match="f2 stays: F2 cannot be measured"):
        moving.read_move({"f2": 1000.0}, can)
    made = moving.moved(can, {})
    assert not made.waveform.any()
    assert made.words == []
