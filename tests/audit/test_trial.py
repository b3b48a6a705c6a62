"""The audit audited: what is planted, what is true of the models, how it is scored, and the command."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.audit.audit_recordings import recording
from typer.testing import CliRunner

from phonoscope.audio import write_audio
from phonoscope.audit.battery import CLEAN, IN_DATA, USED
from phonoscope.audit.trial import data_only, design, run, scenes, scores
from phonoscope.audit.trial.clips import RATE, Clips, read_clips, synthetic_clips
from phonoscope.audit.trial.planters import LEVEL, PLANTERS, levelled
from phonoscope.cli import app
from phonoscope.errors import AuditError, PhonoscopeError
from phonoscope.judgement.intervals import mean_interval

SMALL = {"trained": 60, "audited": 60, "listeners": ("linear",)}


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(120, seed=0)


def plain(name, sound):
    """What is planted, measured in a few lines of its own."""
    size = len(sound) // 80
    powers = np.sort(np.mean(sound[: size * 80].reshape(size, 80) ** 2, axis=1))
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return {
        "level": np.log(powers[-size // 4 :].mean()), "dc": sound.mean(), "edge-silence": len(sound),
        "inner-silence": len(sound), "duration": len(sound), "noise-floor": np.log(powers[: size // 8].mean() + 1e-12),
        "background": np.log(spectrum[hertz > 2500].sum() / spectrum.sum()),
        "hum": np.log(spectrum[np.abs(hertz - 50) < 4].sum()),
        "bandwidth": np.log(spectrum[hertz > 2000].sum() / spectrum.sum()),
        "clipping": (np.abs(sound) > 0.99 * np.abs(sound).max()).mean(),
        "quantisation": len(np.unique(np.round(sound, 6))),
        "room": -np.abs(np.diff(np.log(np.mean(sound[: size * 80].reshape(size, 80) ** 2, axis=1) + 1e-9))).mean(),
        "channel": np.log(spectrum[hertz > 1500].sum() / spectrum.sum()),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", list(PLANTERS))
def test_what_is_planted_rises_with_its_value(clips, name):
    sounds = [levelled(each, RATE) for each in clips.sounds[:30]]
    found = []
    for value in (-1.5, 1.5):
        made = [PLANTERS[name].plant(each, RATE, value, np.random.default_rng(k)) for k, each in enumerate(sounds)]
        assert all(np.isfinite(each).all() for each in made)
        found.append([plain(name, each) for each in made])
    rises = np.mean(np.array(found[1]) > np.array(found[0]))
    assert rises > 0.9


def test_levelled_clips_are_alike_in_level_and_have_no_offset():
    for level in (0.01, 0.2):
        made = levelled(recording(1, level=level, offset=0.5), RATE)
        assert abs(made.mean()) < 1e-9
        powers = np.sort(np.mean(made[: len(made) // 80 * 80].reshape(-1, 80) ** 2, axis=1))
        assert np.sqrt(powers[-len(powers) // 3 :].mean()) == pytest.approx(LEVEL, rel=0.1)


def test_synthetic_clips_differ_in_what_is_said_alone(clips):
    assert set(clips.words) == {"0", "1"}
    assert len(set(clips.speakers)) >= 8
    length = np.array([len(each) for each in clips.sounds])
    level = np.array([np.log(np.sqrt(np.mean(each**2))) for each in clips.sounds])
    for measured in (length, level):
        one, two = measured[clips.words == "0"], measured[clips.words == "1"]
        error = np.sqrt(one.var() / len(one) + two.var() / len(two))
        assert abs(one.mean() - two.mean()) < 3.5 * error
    again = synthetic_clips(120, seed=0)
    np.testing.assert_array_equal(clips.sounds[5], again.sounds[5])


def test_clips_of_a_folder_are_cut_and_named(tmp_path):
    for word in ("yes", "no"):
        for k in range(32):
            (tmp_path / word).mkdir(exist_ok=True)
            long = np.concatenate([recording(k)] * 3)
            write_audio(tmp_path / word / f"{k:08x}_nohash_0.wav", long.astype(np.float32), 8000)
    found = read_clips(tmp_path, 62, seed=0)
    assert len(found.sounds) == 62
    assert set(found.words) == {"yes", "no"}
    assert max(len(each) for each in found.sounds) == RATE
    with pytest.raises(AuditError, match="needs at least 60"):
        read_clips(tmp_path, 40, seed=0)


def test_planted_values_tell_the_classes_as_well_as_is_said(monkeypatch):
    many = Clips([np.ones(4)] * 2000, RATE, np.array(["0", "1"] * 1000), np.array(["s"] * 2000))
    monkeypatch.setattr(scenes, "_clips", lambda *_: many)
    for auc in design.STRENGTHS:
        stage = scenes.Stage(scenes.Scene("x", ("level",), auc))
        values, classes = stage.values(["level"])[:, 0], stage.classes
        found = np.mean(values[classes == 1][:, None] > values[classes == 0])
        assert found == pytest.approx(auc, abs=0.04)
        idle = stage.values([])[:, 0]
        assert np.mean(idle[classes == 1][:, None] > idle[classes == 0]) == pytest.approx(0.5, abs=0.06)


@pytest.fixture(scope="module")
def rows():
    found = run.run_scene(scenes.Scene("two", ("level", "hum"), 0.95, **SMALL), ["level", "hum"])
    return pd.DataFrame(found).reindex(columns=list(run.COLUMNS))


def test_a_scene_says_what_each_model_was_taught_and_what_it_uses(rows):
    assert len(rows) == 4 * 2
    true = rows[rows["true_effect"].notna()].set_index(["taught", "deaf", "shortcut"])["truly_used"]
    assert true["level", "", "level"]
    assert true["hum", "", "hum"]
    assert not true["level+hum", "level", "level"]
    assert true["level+hum", "level", "hum"]
    assert not true["level+hum", "hum", "hum"]
    found = rows.set_index(["taught", "deaf", "shortcut"])["finding"]
    assert found["level", "", "level"] == USED
    assert found["level+hum", "level", "level"] == IN_DATA


def test_cases_name_what_is_strongest(rows):
    cases = scores.case_table(rows).set_index(["taught", "deaf"])
    assert cases.loc[("level", ""), "strongest"] == "level"
    assert "level" in cases.loc[("level", ""), "true"].split("+")
    assert not cases["alarm"].any()


def table(**changed):
    """Rows of one scene with a planted level that is used and a hum that is not, all found right, and a clean one."""
    base = {"listener": "linear", "taught": "level", "deaf": "", "auc_planted": 0.8, "background_low": 0.6}
    one = {**base, "scene": "one", "planted": "level+hum", "metadata_low": 0.4}
    two = {**base, "scene": "two", "planted": "", "auc_planted": np.nan, "metadata_low": 0.4}
    found = pd.DataFrame([
        {**one, "shortcut": "level", "truly_used": True, "true_effect": 1.0, "finding": USED, "difference": 1.0},
        {**one, "shortcut": "hum", "truly_used": False, "true_effect": 0.0, "finding": IN_DATA, "difference": 0.0},
        {**two, "shortcut": "level", "truly_used": None, "true_effect": np.nan, "finding": CLEAN, "difference": 0.0},
    ]).assign(in_data=["supported", "supported", "contradicted"])  # fmt: skip
    for name, value in changed.items():
        row, column = name.split("__")
        found.loc[int(row[1:]), column] = value
    return found.reindex(columns=[*dict.fromkeys([*run.COLUMNS])])


@pytest.mark.parametrize(
    ("changed", "score", "share"),
    [
        ({}, "named 0.8", 1.0),
        ({}, "told apart", 1.0),
        ({}, "confused", 0.0),
        ({}, "false alarms", 0.0),
        ({}, "noticed by background alone", 1.0),
        ({}, "noticed by facts of the file alone", 0.0),
        ({"r0__finding": "cannot be told"}, "found 0.8", 0.0),
        ({"r0__finding": IN_DATA}, "confused", 0.5),
        ({"r1__finding": USED, "r1__difference": 2.0}, "named 0.8", 0.0),
        ({"r1__finding": USED, "r1__difference": 2.0}, "found 0.8", 1.0),
        ({"r1__finding": USED}, "confused", 0.5),
        ({"r2__in_data": "supported"}, "false alarms", 1.0),
        ({"r2__finding": USED}, "false alarms", 1.0),
    ],
)
def test_scores_count_what_came_out_right(changed, score, share):
    found = scores.score_table(table(**changed)).set_index("score")
    assert found.loc[score, "share"] == share
    assert found.loc[score, "low"] <= share <= found.loc[score, "high"]


def test_alarms_are_counted_in_stored_rows_as_in_fresh_ones(tmp_path):
    fresh = table(r2__in_data="supported")
    fresh.to_csv(tmp_path / "rows.csv", index=False)  # an empty cell comes back as no number
    for rows in (fresh, pd.read_csv(tmp_path / "rows.csv")):
        assert scores.score_table(rows).set_index("score").loc["false alarms", "share"] == 1.0


def test_bars_are_held_against_enough_cases():
    def many(rows):
        return pd.concat([rows.assign(scene=rows["scene"] + str(k)) for k in range(20)], ignore_index=True)

    assert scores.check(many(table())) == []
    assert "named 0.8" in scores.check(many(table(r0__finding="cannot be told")))[0]
    assert any("false alarms" in each for each in scores.check(many(table(r2__finding=USED))))
    assert scores.check(table(r0__finding="cannot be told")) == []


def test_the_interval_of_a_share_is_wilsons():
    assert scores.wilson(0, 104)[1] == pytest.approx(0.0356, abs=1e-3)
    assert scores.wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_whether_it_is_used_is_left_open_near_the_bound():
    intervals = [mean_interval(np.array([at - 0.05, at + 0.05] * 20)) for at in (0.5, 0.1, 0.0)]
    assert [scenes.is_used(each, 0.1) for each in intervals] == [True, None, False]


def test_a_look_at_data_alone_notices_a_background_and_a_length_that_go_with_the_class():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 2
    sounds = [recording(k, slope=3.0 * c, lead=0.1 + 0.1 * c + 0.02 * rng.random()) for k, c in enumerate(classes)]
    names, speakers = classes.astype(str), (np.arange(80) // 4).astype(str)
    for look in (data_only.background_auc, data_only.metadata_auc):
        auc, low = look(sounds, RATE, names, speakers, 0)
        assert auc > 0.9
        assert 0.7 < low <= auc
        assert look(sounds, RATE, rng.permutation(names), speakers, 0)[1] < 0.55
        assert look(sounds, RATE, names, ["one"] * 80, 0)[0] > 0.9


def test_the_design_has_every_kind_at_every_strength_decoys_and_enough_clean_cases():
    planned = design.full_design()
    assert len({scene.name for scene in planned}) == len(planned)
    single = {(scene.planted[0], scene.auc) for scene in planned if len(scene.planted) == 1}
    assert single == {(kind, auc) for kind in PLANTERS for auc in design.STRENGTHS}
    assert len(PLANTERS) >= 12
    assert {scene.planted[0] for scene in planned if len(scene.planted) == 2} == set(PLANTERS)
    assert sum(len(scene.listeners) for scene in planned if not scene.planted) >= 100
    assert len(design.quick_design()) == 6
    assert {kind for scene in design.select(planned, ["hum"]) for kind in scene.planted} > {"hum"}
    with pytest.raises(AuditError, match="perfume"):
        design.select(planned, ["perfume"])


def test_the_command_writes_goes_on_where_it_stopped_and_fails_where_bars_are_missed(tmp_path, monkeypatch):
    def made(scene):
        rows = table(**({"r0__finding": "cannot be told"} if "level" in scene.planted else {}))
        kept = rows.iloc[:2] if scene.planted else rows.iloc[2:]
        return json.loads(kept.assign(scene=scene.name).to_json(orient="records"))

    monkeypatch.setattr(run, "run_scene", made)
    command = ["bench", "audit", "--quick", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout.splitlines()[-1])
    assert {row["score"] for row in value["scores"]} > {"named 0.8", "false alarms", "told apart"}
    assert len(pd.read_csv(tmp_path / "audit.csv")) == 4 * 2 + 2
    assert len(pd.read_csv(tmp_path / "audit_cases.csv")) == 6
    monkeypatch.setattr(run, "run_scene", lambda _: pytest.fail("run again"))
    failed = CliRunner().invoke(app, [*command, "--check"])
    assert isinstance(failed.exception, PhonoscopeError) or failed.exit_code == 0
    assert "false alarms" in failed.stdout


def test_an_empty_design_is_refused():
    with pytest.raises(AuditError, match="empty"):
        run.run_trial([])


def test_scenes_are_dealt_over_corpora_and_drawn_by_seed():
    one, dealt = design.full_design(seed=7), design.dealt_design(["a/x", "b/y", "c/z"], 7)
    assert len(dealt) == len(one)
    assert {scene.corpus for scene in dealt} == {"a/x", "b/y", "c/z"}
    assert [scene.seed for scene in dealt] == [scene.seed for scene in one]
    assert [scene.seed - 7 for scene in one] == [scene.seed for scene in design.full_design()]
    of_hum = {scene.corpus for scene in dealt if scene.planted == ("hum",)}
    assert len(of_hum) == 3


def test_long_recordings_give_several_clips_where_there_are_few(tmp_path):
    for k in range(22):
        write_audio(
            tmp_path / f"{k}.wav", np.concatenate([recording(8 * k + j) for j in range(8)]).astype(np.float32), 8000
        )
    found = read_clips(tmp_path, 66, seed=0)
    assert len(found.sounds) == 66
    assert len(set(found.speakers)) == 22
    assert len({sound.tobytes() for sound in found.sounds}) == 66
