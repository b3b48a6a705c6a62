"""Tiers of several speakers: every spelling gives every speaker's tokens, and none is dropped in silence."""

from pathlib import Path

import pytest

from phonoscope.corpora.textgrid import Interval, TextGrid, Tier
from phonoscope.corpora.tiers import choose_tiers
from phonoscope.errors import CorpusError

HERE = Path("x.TextGrid")


def grid(*names: str) -> TextGrid:
    """A grid of tiers with one interval, labelled by the tier's place."""
    return TextGrid(0.0, 1.0, tuple(Tier(n, (Interval(0.0, 1.0, f"t{i}"),)) for i, n in enumerate(names)))


SPELLINGS = {
    "{s} - {k}": "ANNA BEN", "{k} - {s}": "ANNA BEN", "{s}: {k}": "ANNA BEN", "{s}:{k}": "ANNA BEN",
    "{k}@{s}": "ANNA BEN", "{s}@{k}": "ANNA BEN", "{s}-{k}": "spk1 spk2", "{s}_{k}": "spk1 spk2",
    "{k}_{s}": "spk1 spk2", "{k}-{s}": "A B", "{s}.{k}": "A B", "{k}.{s}": "A B", "{k} ({s})": "A B",
    "{k}({s})": "A B", "{k} [{s}]": "A B", "{k}{s}": "1 2", "{k} {s}": "A B", "{s} {k}": "A B", "{s}/{k}": "A B",
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("words", "phones"), [("words", "phones"), ("Word", "Phone"), ("ORT-MAU", "MAU")])
def test_every_spelling_gives_both_speakers_with_their_words(spelling, words, phones):
    speakers = SPELLINGS[spelling].split()
    names = [spelling.format(s=s, k=kind) for s in speakers for kind in (words, phones)]
    chosen, warnings = choose_tiers(grid(*names), HERE)
    assert [(each.speaker, each.phones.name, each.words and each.words.name) for each in chosen] == [
        (speakers[0], names[1], names[0]),
        (speakers[1], names[3], names[2]),
    ]
    assert all(each.sure for each in chosen)
    assert warnings == []


def test_speakers_with_marks_in_their_names():
    chosen, _ = choose_tiers(grid("Anna-Maria - phones", "Jean_Luc - phones", "Ö: phones"), HERE)
    assert [each.speaker for each in chosen] == ["Anna-Maria", "Jean_Luc", "Ö"]


def test_a_pattern_for_other_names():
    tiers = grid("phn<anna>", "wrd<anna>", "phn<bea>")
    with pytest.raises(CorpusError, match="it has: phn<anna>"):
        choose_tiers(tiers, HERE)
    chosen, _ = choose_tiers(tiers, HERE, speaker_tier="phn<{speaker}>")
    assert [(each.speaker, each.phones.name) for each in chosen] == [("anna", "phn<anna>"), ("bea", "phn<bea>")]
    with pytest.raises(CorpusError, match=r"no tier of x\.TextGrid fits"):
        choose_tiers(tiers, HERE, speaker_tier="{speaker}_phones")
    with pytest.raises(CorpusError, match=r"expected \{speaker\} once"):
        choose_tiers(tiers, HERE, speaker_tier="phones")


def test_none_of_several_is_taken_in_silence():
    for names in (("mfa phones", "old phones"), ("phones", "phones2"), ("the phones", "checked phones!")):
        with pytest.raises(CorpusError, match="several tiers of phones") as caught:
            choose_tiers(grid(*names), HERE)
        assert all(name in str(caught.value) for name in names)
        chosen, _ = choose_tiers(grid(*names), HERE, phone_tier=names[1])
        assert [each.phones.name for each in chosen] == [names[1]]


def test_a_plain_tier_wins_over_a_weak_name_and_says_so():
    chosen, warnings = choose_tiers(grid("phones", "phones_student"), HERE)
    assert [(each.speaker, each.phones.name) for each in chosen] == [(None, "phones")]
    assert len(warnings) == 1
    assert "phones_student" in warnings[0]
    assert "--speaker-tier" in warnings[0]


def test_one_weak_name_leaves_the_speaker_to_the_layout():
    (only,), _ = choose_tiers(grid("lena_phones"), HERE)
    assert not only.sure
    (only,), _ = choose_tiers(grid("mfa_phones"), HERE)
    assert only.speaker is None
    (only,), _ = choose_tiers(grid("Anna: phones"), HERE)
    assert only == ("Anna", only.phones, None, True)
