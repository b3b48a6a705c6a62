"""Phones of every language keep their symbol, have a kind, and published inventories are known whole."""

import csv
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.errors import CorpusError
from phonoscope.phones import (
    VOWEL_KINDS,
    detect_phone_set,
    folded,
    is_silence,
    kind_of_class,
    load_mapping,
    map_phones,
    phones,
    tones_of,
)
from phonoscope.phones.ipa import fold, from_x_sampa, kind_of
from phonoscope.phones.sets import phone_sets

PUBLISHED = Path(__file__).resolve().parents[2] / "shared/data/inventories/phones.csv"
SETS = {
    "german_mfa": "mfa-german",
    "spanish_spain_mfa": "mfa-spanish",
    "french_mfa": "mfa-french",
    "portuguese_brazil_mfa": "mfa-portuguese",
    "mandarin_china_mfa (one tone)": "mfa-mandarin",
    "japanese_mfa": "mfa-japanese",
    "german_maus (SAMPA)": "maus-german",
    "english DISC (LaBB-CAT)": "disc",
    "buckeye": "buckeye",
}


def published() -> dict[str, list[tuple[str, str]]]:
    if not PUBLISHED.is_file():
        pytest.skip("the published inventories are not here")
    found = defaultdict(list)
    with PUBLISHED.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["set"]].append((row["phone"], row["kind"]))
    return found


@pytest.mark.parametrize("name", SETS)
def test_a_published_inventory_is_known_whole_and_kept_apart(name):
    inventory = published()[name]
    written = [phone for phone, _ in inventory]
    classes, _ = map_phones(written, SETS[name])
    assert None not in classes
    assert len(set(classes)) == len(set(written))
    kinds = {phone: kind_of_class(label) in VOWEL_KINDS for phone, label in zip(written, classes, strict=True)}
    syllabic = {"el", "em", "en", "eng"}  # Buckeye's list counts them as vowels
    assert [phone for phone, kind in inventory if kinds[phone] != (kind == "vowel") and phone not in syllabic] == []


@pytest.mark.parametrize("name", [name for name in SETS if name != "buckeye"])
def test_a_published_inventory_is_recognised_and_not_english(name):
    written = [phone for phone, _ in published()[name]]
    expected = {"german_maus (SAMPA)": "x-sampa", "english DISC (LaBB-CAT)": "disc"}.get(name, "ipa")
    assert detect_phone_set(written) == expected
    if expected == "ipa":
        plain = [re.sub("[˥˦˧˨˩]", "", unicodedata.normalize("NFC", phone)) for phone in written]
        assert map_phones(written, "ipa")[0] == plain


def test_every_set_knows_its_own_phones():
    for name in ("mfa-korean", "mfa-russian"):
        classes = phone_sets()[name].classes
        assert len(classes) > 60
        assert map_phones(classes, "ipa")[0] == list(classes)
    assert kind_of_class("FLEECE") == "vowel"
    assert kind_of_class("FACE") == "diphthong"


def test_kinds_of_english_are_those_of_its_table():
    for phone in phones():
        found = kind_of_class(phone.label)
        if phone.kind in (*VOWEL_KINDS, "closure"):
            assert found == phone.kind
        else:
            assert found.split()[0] == phone.kind.split()[0], phone.label


def test_nothing_is_merged_but_on_request():
    pairs = "ɑ ɑ̃ i i̥ aː a z z̩ t t̪ n ɲ l ʎ k c e eɪ".split()  # noqa: SIM905
    classes, _ = map_phones(pairs, "ipa")
    assert len(set(classes)) == len(pairs)
    assert classes == [unicodedata.normalize("NFC", phone) for phone in pairs]
    assert [fold("ɑ̃ː", "nasal"), fold("ɑ̃ː", "nasal", "long"), fold("i̥", "voiceless")] == ["ɑː", "ɑ", "i"]
    assert tones_of(["a˨˩˦", "a", "ʂ"], "ipa") == ["˨˩˦", None, None]
    assert map_phones(["a˨˩˦", "a˥˥"], "ipa")[0] == ["a", "a"]


def test_english_foldings_are_said_with_their_counts():
    counts = {"a": 42, "t̪": 3, "s": 5}
    assert folded(counts, "mfa-english") == ["a (42) → æ", "t̪ (3) → θ"]
    assert folded(counts, "ipa") == []


def test_hash_and_underscore_are_silence_only_outside_disc():
    assert is_silence("#")
    assert is_silence("_")
    assert not is_silence("#", "disc")
    assert not is_silence("_", "disc")
    assert is_silence("IVER", "buckeye")
    assert is_silence("CUTOFF-b=bu", "buckeye")


@given(st.text(max_size=5))
def test_any_text_has_a_kind_or_none(text):
    assert kind_of(text) is None or kind_of(text).split()[0] in ("vowel", "diphthong", "closure", "voiced", "voiceless")
    found = from_x_sampa(text)
    assert found is None or isinstance(found, str)


def test_a_mapping_calls_classes_what_it_says(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("phone\tlabel\tkind\r\ne\u0301\tE\u0301\tvowel\r\nD\tD\t\r\n".encode("utf-16"))
    mapping = load_mapping(path)
    assert (mapping, mapping.kinds) == ({"é": "É", "D": "D"}, {"É": "vowel"})  # D is not the English /ð/


def test_a_class_that_is_not_there_asks_for_a_mapping():
    from phonoscope.corpora.select import class_labels

    with pytest.raises(CorpusError, match="give a mapping"):
        class_labels("i:")


def test_vowels_of_any_name_are_measured():
    import pandas as pd

    from phonoscope.corpora.select import vowel_tokens

    by_name = pd.DataFrame({"label": ["yː", "2:", "GOOSE", "t", "STADT"]})
    assert vowel_tokens(by_name).tolist() == [True, True, True, False, False]
    by_kind = by_name.assign(kind=["vowel", "vowel", "vowel", "voiceless plosive", "vowel"])
    assert vowel_tokens(by_kind).tolist() == [True, True, True, False, True]
