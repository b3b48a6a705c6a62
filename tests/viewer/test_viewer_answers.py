"""What the viewer answers, against the rooms it stands on: pictures, maps, sounds, the ear, own voice, notes."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from starlette.testclient import TestClient
from viewer_runs import PORT, TOKEN, client_of, unpacked

import phonoscope as ps
from phonoscope.attribution import contrast, read_maps
from phonoscope.audio import cut, read_audio
from phonoscope.band_filters import filter_sounds
from phonoscope.corpora.textgrid import read_textgrid
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import held_out
from phonoscope.report.spectrograms import wideband_spectrogram
from phonoscope.viewer.session import Session

CONTEXT = 0.25


def first(client: TestClient, **wanted: str) -> str:
    rows = client.get("/api/tokens", params={"run": 0, "outcome": "tested", **wanted}).json()["rows"]
    return rows[0][0]


def get(client: TestClient, path: str, token: str, **asked: Any) -> Any:
    answer = client.get(f"/api/{path}", params={"run": 0, "token": token, **asked})
    assert answer.status_code == 200, answer.text
    return answer


def sound_of(client: TestClient, token: str, **asked: Any) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(get(client, "sound", token, **asked).content))


def waveform_of(made: Path, token: str, context: float = CONTEXT) -> np.ndarray:
    run = Run(made)
    rows = run.tokens[run.tokens["token"] == token]
    rows.attrs = run.tokens.attrs
    return cut(rows, int(run.facts["sample_rate"]), context_seconds=context)[0][0]


def classifier_of(made: Path, token: str) -> ps.Classifier:
    return next(held_out(Run(made), only=np.array([token]))).classifier


def test_the_run_says_what_can_be_chosen(client: TestClient, made: Path) -> None:
    (about,) = client.get("/api/runs").json()
    run = Run(made)
    assert about["labels"] == run.labels
    assert about["count"] == len(run.tokens)
    assert about["stored"] == ["cam"]
    assert dict(about["choices"]["class"]) == run.tokens["class"].value_counts().to_dict()
    assert sum(count for name, count in about["choices"]["outcome"] if name != "tested") == len(run.tokens)


def test_facts_of_a_token_are_those_of_the_tables(client: TestClient, made: Path) -> None:
    token, run = first(client), Run(made)
    facts = get(client, "token", token).json()
    row = run.tokens.set_index("token").loc[token]
    p = run.predictions.set_index("token").loc[token]
    assert facts["row"]["class"] == row["class"]
    assert facts["row"]["predicted"] == p["predicted"]
    assert facts["probabilities"] == pytest.approx([p[f"p_{label}"] for label in run.labels])
    assert (facts["start"], facts["end"]) == pytest.approx((row["start"], row["end"]), abs=1 / run.facts["sample_rate"])
    assert facts["formants"]["f1_50"] == pytest.approx(run.formants.set_index("token").loc[token, "f1_50"])
    assert [one["token"] for one in facts["around"] if one["token"] == token] == [token]


def test_picture_is_praat_s_spectrogram_at_its_own_coordinates(client: TestClient, made: Path) -> None:
    token = first(client)
    facts, arrays = unpacked(get(client, "picture", token, top_hz=4000).content)
    waveform = waveform_of(made, token)
    expected = wideband_spectrogram(waveform, facts["sample_rate"], max_hz=4000.0)
    assert arrays["level"].shape == expected.shape
    assert arrays["level"].dtype == np.uint8
    decibel = -facts["range_db"] * (1 - arrays["level"] / 255.0)
    assert np.abs(decibel - np.maximum(expected.values, -70)).max() < 0.15
    hertz = facts["first_hz"] + facts["step_hz"] * np.arange(len(expected["frequency"]))
    np.testing.assert_allclose(hertz, expected["frequency"].values)
    seconds = facts["first_s"] + facts["step_s"] * np.arange(len(expected["time"])) - facts["shown_start"]
    np.testing.assert_allclose(seconds, expected["time"].values, atol=1e-9)
    np.testing.assert_allclose(arrays["samples"] / 32767, waveform, atol=2e-5)


def test_stored_maps_are_placed_as_the_store_says(client: TestClient, made: Path) -> None:
    token = first(client)
    facts, arrays = unpacked(get(client, "map", token, stored="cam").content)
    stored = read_maps(made / "maps" / "cam", [token])[0]
    np.testing.assert_allclose(arrays["values"], stored.values)
    np.testing.assert_allclose(arrays["profile"], stored.sum("time").values, rtol=1e-5)
    start = get(client, "token", token).json()["start"]
    edges, centres = arrays["edges_s"] - start, stored["seconds"].values
    np.testing.assert_allclose(edges[1:-1], (centres[1:] + centres[:-1]) / 2, atol=1e-9)
    np.testing.assert_allclose([edges[0], edges[-1]], [0, float(stored["duration"])], atol=1e-9)
    hz = stored["frequency"].values
    np.testing.assert_allclose(arrays["edges_hz"], [0, *(hz[1:] + hz[:-1]) / 2, stored.attrs["max_hz"]])
    assert facts["target"] == str(stored["target"].values)


def test_a_map_computed_here_is_the_one_of_the_run(client: TestClient) -> None:
    token = first(client)
    computed = unpacked(get(client, "map", token, method="cam", target="true").content)
    stored = unpacked(get(client, "map", token, stored="cam").content)
    np.testing.assert_allclose(computed[1]["values"], stored[1]["values"], atol=1e-4)
    np.testing.assert_allclose(computed[1]["edges_s"], stored[1]["edges_s"], atol=1e-9)


@pytest.mark.parametrize(
    "method", ["gradient", "band-stop", "integrated-gradients(steps=4, baseline=mean)", "smooth(gradient, samples=3)"]
)
def test_methods_with_options_are_those_of_explain(client: TestClient, made: Path, method: str) -> None:
    token = first(client)
    part = next(held_out(Run(made), only=np.array([token])))
    expected = ps.explain(
        part.classifier,
        part.waveforms,
        contrast("i", "u"),
        method,
        tokens=[token],
        context_seconds=part.context_seconds,
    )[0]
    facts, arrays = unpacked(get(client, "map", token, method=method, target="i", versus="u").content)
    np.testing.assert_allclose(arrays["values"], expected.values, atol=1e-5)
    assert facts["target"] == "i − u"


def test_the_network_s_ear_hears_what_the_filter_leaves(client: TestClient, made: Path) -> None:
    token = first(client)
    classifier, waveform = classifier_of(made, token), waveform_of(made, token)
    context = round(CONTEXT * classifier.sample_rate)
    sound = torch.from_numpy(waveform)[None]
    for keep, depth in ((0, -40.0), (1, -80.0)):
        filtered = filter_sounds(
            sound, torch.tensor([len(waveform)]), classifier.sample_rate, np.array([500.0, 1500.0]),
            keep=bool(keep), depth_db=depth, match=False, context=context,
        )[:, context:-context]  # fmt: skip
        level = classifier.front_end.reference_level(sound[:, context:-context])
        assert level is not None, "this front end scales each token"
        with torch.no_grad():
            expected = classifier.network(classifier.inputs(filtered, level=level)).softmax(1)
        answer = get(client, "hear", token, what="band", low=500, high=1500, keep=keep).json()
        np.testing.assert_allclose(answer["probabilities"], expected[0].numpy(), atol=1e-4)
        assert answer["ms"] > 0
    unchanged = get(client, "hear", token, what="plain").json()["probabilities"]
    assert unchanged == pytest.approx(get(client, "token", token).json()["probabilities"], abs=1e-4)


def test_sounds_are_the_recording_the_token_a_stretch_and_the_rest(client: TestClient, made: Path) -> None:
    token = first(client)
    waveform, facts = waveform_of(made, token), get(client, "token", token).json()
    around, rate = sound_of(client, token)
    assert len(around) == len(waveform)
    inside = slice(rate // 100, -rate // 100)
    np.testing.assert_allclose(around[inside], waveform[inside], atol=1e-4)
    alone, _ = sound_of(client, token, part="token")
    assert len(alone) == pytest.approx((facts["end"] - facts["start"]) * rate, abs=1)
    assert abs(alone[0]) < 1e-2 * np.abs(alone).max(), "it begins softly"
    stretch, _ = sound_of(client, token, part="stretch", begin=facts["start"] + 0.01, end=facts["start"] + 0.05)
    assert len(stretch) == pytest.approx(0.04 * rate, abs=1)

    def power(sound: np.ndarray, low: float, high: float) -> float:
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        hertz = np.fft.rfftfreq(len(sound), 1 / rate)
        return float(spectrum[(hertz > low) & (hertz < high)].sum())

    stopped, _ = sound_of(client, token, what="band", low=500, high=1500)
    assert power(stopped, 600, 1400) < 1e-3 * power(around, 600, 1400)
    assert power(stopped, 1700, 3500) > 0.3 * power(around, 1700, 3500)


def test_masked_sounds_are_heard_and_differ(client: TestClient) -> None:
    token = first(client)
    token_only = {
        name: sound_of(client, token, what=name, stored="cam", part="token")[0] for name in ("plain", "only", "without")
    }
    levels = {name: float(np.sqrt(np.mean(sound**2))) for name, sound in token_only.items()}
    assert all(level > 0.3 * levels["plain"] > 0 for level in levels.values()), "loudness is matched"
    for a, b in (("plain", "only"), ("plain", "without"), ("only", "without")):
        assert np.corrcoef(token_only[a], token_only[b])[0, 1] < 0.999
    context = {name: sound_of(client, token, what=name, stored="cam")[0] for name in ("plain", "only")}
    np.testing.assert_allclose(context["only"][500:1500], context["plain"][500:1500], atol=1e-3)
    picture = unpacked(get(client, "picture", token, what="without", stored="cam").content)[1]["level"]
    assert (picture != unpacked(get(client, "picture", token).content)[1]["level"]).any()


def test_formant_tracks_follow_the_planted_formants(client: TestClient, made: Path) -> None:
    token = first(client, **{"class": "i", "outcome": "right"})
    facts, tracks = get(client, "token", token).json(), get(client, "tracks", token).json()
    truth = Run(made).tokens.set_index("token").loc[token]
    middle = (facts["start"] + facts["end"]) / 2
    place = int(np.abs(np.array(tracks["time"]) - middle).argmin())
    assert tracks["frequency"][0][place] == pytest.approx(truth["true_f1_50"], rel=0.25)
    assert tracks["frequency"][1][place] == pytest.approx(truth["true_f2_50"], rel=0.15)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_own_voice_is_heard_at_the_classifier_s_rate(client: TestClient, made: Path, rate: int) -> None:
    token = first(client)
    run = Run(made)
    row = run.tokens.set_index("token").loc[token]
    recording, _ = read_audio(Path(run.tokens.attrs["roots"][row["corpus"]]) / row["recording"], rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, recording, rate, format="WAV", subtype="FLOAT")
    made_one = client.post("/api/own", params={"name": "mine.wav"}, content=buffer.getvalue()).json()
    assert (made_one["name"], made_one["sample_rate"]) == ("mine.wav", rate)
    overview = unpacked(client.get("/api/own", params={"run": 0, "number": made_one["number"]}).content)[0]
    assert overview["sample_rate"] == run.facts["sample_rate"]
    name = f"own:{made_one['number']}:{row['start']:.4f}-{row['end']:.4f}"
    facts = get(client, "token", name).json()
    assert facts["own"]
    # The fold is not known: the run's first classifier hears it.
    classifier = ps.Classifier.from_pretrained(made / "classifier")
    context = waveform_of(made, token, 0.0)
    expected = classifier.predict([context])[[f"p_{label}" for label in classifier.labels]].to_numpy()[0]
    np.testing.assert_allclose(facts["probabilities"], expected, atol=0.02 if rate == 44100 else 1e-3)
    values = unpacked(get(client, "map", name, method="cam", target="predicted").content)[1]["values"]
    assert np.isfinite(values).all()
    assert len(sound_of(client, name, what="only", method="cam")[0]) > 0
    answer = client.get("/api/map", params={"run": 0, "token": name, "method": "cam", "target": "true"})
    assert answer.status_code == 400
    assert "nobody said" in answer.json()["error"]


def test_notes_are_kept_and_exported_for_praat_and_r(run_folder: Path) -> None:
    with client_of(run_folder) as client:
        token, other = (row[0] for row in client.get("/api/tokens?run=0&limit=2&outcome=tested").json()["rows"])
        facts = get(client, "token", token).json()
        note = {"token": token, "text": 'F2 „falls“ early,\n"see"', "start": None, "end": None}
        put = client.post("/api/notes?run=0", json=note).json()
        assert put["saved"]
        inner = {"start": facts["start"] + 0.01, "end": facts["start"] + 0.03, "low": 500.0, "high": 1500.0}
        for _ in range(2):  # stretches that overlap
            client.post("/api/notes?run=0", json={"token": token, "text": "burst", **inner})
        gone = client.post("/api/notes?run=0", json={"token": other, "text": ""}).json()["note"]
        client.delete("/api/notes", params={"run": 0, "id": gone["id"]})
        client.post("/api/notes?run=0", json={**put["note"], "text": put["note"]["text"] + "!"})
    with client_of(run_folder) as client:  # another start
        kept = client.get("/api/notes?run=0").json()["notes"]
        assert [one["text"] for one in kept] == [note["text"] + "!", "burst", "burst"]
        csv = client.get("/api/export?run=0&of=notes&as=csv")
        table = pd.read_csv(io.BytesIO(csv.content), encoding="utf-8")
        grid = client.get("/api/export?run=0&of=notes&as=textgrid")
        filtered = client.get("/api/export?run=0&of=filtered&as=textgrid&outcome=tested")
        listed = client.get("/api/export?run=0&of=filtered&as=csv&outcome=wrong&order=-confidence")
    assert table["note"].tolist() == ['F2 „falls“ early, "see"!', "burst", "burst"]
    limits = table[["note_start", "note_end", "note_low_hz", "note_high_hz"]]
    assert limits.loc[0].isna().all()
    assert limits.to_numpy()[1:] == pytest.approx(np.array([list(inner.values())] * 2))
    assert (table["token"] == token).all()
    assert table.loc[0, "class"] == facts["row"]["class"]
    path = run_folder / "one.TextGrid"
    path.write_bytes(grid.content)
    assert "filename=" in grid.headers["content-disposition"]
    tiers = read_textgrid(path)
    assert tiers.tier_names == ["phone", "class", "predicted", "note", "stretch", "stretch 2"]
    (marked,) = [one for one in tiers.tier("note").intervals if one.label]
    assert (marked.start, marked.end) == pytest.approx((facts["start"], facts["end"]), abs=1e-3)
    assert marked.label == 'F2 „falls“ early, "see"!'
    for name in ("stretch", "stretch 2"):
        assert [one.label for one in tiers.tier(name).intervals if one.label] == ["burst"]
    assert tiers.xmax == pytest.approx(facts["recording_seconds"])
    with zipfile.ZipFile(io.BytesIO(filtered.content)) as archive:
        names = archive.namelist()
        assert len(names) > 1
        assert all(name.endswith(".TextGrid") and ".." not in name and not name.startswith("/") for name in names)
    wrong = pd.read_csv(io.BytesIO(listed.content))
    assert (wrong["class"] != wrong["predicted"]).all()
    assert wrong["confidence"].is_monotonic_decreasing


def test_notes_of_a_folder_that_cannot_be_written_last_until_the_end(run_folder: Path) -> None:
    (run_folder / "notes.json").mkdir()
    with client_of(run_folder) as client:
        token = first(client)
        answer = client.post("/api/notes?run=0", json={"token": token, "text": "here"}).json()
        assert not answer["saved"]
        assert [one["text"] for one in client.get("/api/notes?run=0").json()["notes"]] == ["here"]


def test_two_runs_are_told_apart(made: Path, many: Path) -> None:
    with client_of(made, many) as client:
        names = [one["count"] for one in client.get("/api/runs").json()]
        assert names == [len(Run(made).tokens), 100_000]
        token = first(client)
        assert client.get("/api/place", params={"run": 1, "token": token}).json() == {"place": None, "known": False}


def test_a_recording_that_is_gone_is_said(run_folder: Path) -> None:
    tokens = pd.read_parquet(run_folder / "tokens.parquet")
    tokens.attrs["roots"] = dict.fromkeys(tokens.attrs["roots"], str(run_folder / "nowhere"))
    tokens.to_parquet(run_folder / "tokens.parquet", index=False)
    with client_of(run_folder) as client:
        answer = client.get("/api/token", params={"run": 0, "token": first(client)})
        assert answer.status_code == 400
        assert "recording not found" in answer.json()["error"]


def test_methods_are_all_listed_with_their_options(client: TestClient) -> None:
    listed = {one["name"]: one for one in client.get("/api/methods").json()}
    assert set(listed) == set(ps.methods())
    assert {"steps", "baseline"} <= set(listed["integrated-gradients"]["options"])


def test_a_fault_of_the_viewer_is_a_sentence_too(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from phonoscope.viewer import app

    session = Session([made])
    monkeypatch.setattr(session, "run", lambda _number: 1 / 0)
    built = app.build_app(session, token=TOKEN, port=PORT)
    with TestClient(built, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as broken:
        answer = broken.get("/api/tokens?run=0", headers={"X-Phonoscope-Token": TOKEN})
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]
