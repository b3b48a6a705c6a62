"""Phone sets: spellings, their collisions, and the detection of the set in use."""
# ruff: noqa: SIM905 - inventories are read and compared more easily without a pair of quotes around each phone

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.errors import CorpusError
from phonoscope.phones import (
    ENGLISH_SETS,
    SILENCES,
    detect_phone_set,
    is_silence,
    load_mapping,
    map_phones,
    paper_voiceless,
    paper_vowels,
    phones,
    resolve_label,
)

# The whole inventories, written down here once more and independently of the table.
ARPABET = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
TIMIT = (
    "iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h b d g p t k dx q jh ch s sh z zh f th v dh m n ng "
    "em en eng nx l r w y hh hv el bcl dcl gcl pcl tcl kcl"
).split()
MAUS = "p b t d k g tS dZ f v T D s z S Z h m n N r l w j i: i I E { A: Q V U u: u 3` 3: @ 6 eI aI OI aU @U O:".split()
MFA = (
    "aj aw b bʲ c cʰ cʷ d dʒ dʲ d̪ ej f fʲ h i iː j k kʰ kʷ l m mʲ m̩ n n̩ ow p pʰ pʲ pʷ s t tʃ tʰ tʲ tʷ t̪ v vʲ vʷ w z "
    "æ ç ð ŋ ɐ ɑ ɑː ɒ ɒː ɔj ə ɚ ɛ ɝ ɟ ɟʷ ɡ ɡʷ ɪ ɫ ɫ̩ ɱ ɲ ɹ ɾ ɾʲ ɾ̃ ʃ ʉ ʉː ʊ ʎ ʒ ʔ θ"
).split()


@pytest.mark.parametrize(
    ("phone_set", "inventory"), [("arpabet", ARPABET), ("timit", TIMIT), ("sampa", MAUS), ("mfa-english", MFA)]
)
def test_inventories_are_mapped_whole_and_recognised(phone_set, inventory):
    labels, _ = map_phones(inventory, phone_set)
    assert [phone for phone, label in zip(inventory, labels, strict=True) if label is None] == []
    assert detect_phone_set([*inventory, "sil", ""]) == phone_set


EQUIVALENT = {
    "i": {"arpabet": "IY1 IY0", "timit": "iy", "sampa": "i: i", "mfa-english": "iː i"},
    "æ": {"arpabet": "AE2", "timit": "ae", "sampa": "{", "mfa-english": "æ"},
    "ɝ": {"arpabet": "ER1 ER0", "timit": "er axr", "sampa": "3` 3: @`", "mfa-english": "ɝ ɜː ɜ˞ ɚ"},
    "ɑ": {"arpabet": "AA1", "timit": "aa", "sampa": "A: A", "mfa-english": "ɑ ɑː"},
    "u": {"arpabet": "UW1", "timit": "uw ux", "sampa": "u: u", "mfa-english": "u uː ʉ ʉː"},
    "p": {"arpabet": "P", "timit": "p", "sampa": "p", "mfa-english": "p pʰ pʲ pʷ"},
    "t": {"arpabet": "T", "timit": "t", "sampa": "t", "mfa-english": "t tʰ tʲ tʷ"},
    "k": {"arpabet": "K", "timit": "k", "sampa": "k", "mfa-english": "k kʰ kʷ c cʰ cʷ"},
    "f": {"arpabet": "F", "timit": "f", "sampa": "f", "mfa-english": "f fʲ"},
    "s": {"arpabet": "S", "timit": "s", "sampa": "s", "mfa-english": "s"},
    "tʃ": {"arpabet": "CH", "timit": "ch", "sampa": "tS", "mfa-english": "tʃ t͡ʃ t͜ʃ ʧ"},
    "ʃ": {"arpabet": "SH", "timit": "sh", "sampa": "S", "mfa-english": "ʃ"},
    "θ": {"arpabet": "TH", "timit": "th", "sampa": "T", "mfa-english": "θ t̪"},
}


@pytest.mark.parametrize("label", EQUIVALENT)
def test_the_papers_phones_in_every_set(label):
    for phone_set, spellings in EQUIVALENT[label].items():
        found, _ = map_phones(spellings.split(), phone_set)
        assert set(found) == {label}, phone_set


def test_the_paper_has_thirteen_phones():
    assert paper_vowels() == ["i", "æ", "ɝ", "ɑ", "u"]
    assert paper_voiceless() == ["p", "t", "k", "f", "s", "tʃ", "ʃ", "θ"]


def test_the_same_letter_means_different_phones():
    for letter, arpabet, sampa in [("S", "s", "ʃ"), ("T", "t", "θ"), ("D", "d", "ð"), ("Z", "z", "ʒ"), ("N", "n", "ŋ")]:
        assert map_phones([letter], "arpabet")[0] == [arpabet]
        assert map_phones([letter], "sampa")[0] == [sampa]
    assert map_phones(["q", "dx", "tcl"], "timit")[0] == ["ʔ", "ɾ", "t̚"]


@pytest.mark.parametrize("name", ENGLISH_SETS)
def test_no_spelling_stands_for_two_phones(name):
    spellings = [spelling for phone in phones() for spelling in phone.spellings[name]]
    assert len(spellings) == len(set(spellings))


def test_stress_is_read_from_digits_marks_and_reduced_spellings():
    assert map_phones("AA0 AA1 AA2 AA ER0 T".split(), "arpabet")[1] == [0, 1, 2, None, 0, None]
    assert map_phones(["ˈiː", "ˌiː", "iː", "ɚ"], "mfa-english") == (["i", "i", "i", "ɝ"], [1, 2, None, 0])
    assert map_phones(["axr", "er"], "timit")[1] == [0, None]
    assert map_phones(['"i:'], "sampa") == (["i"], [1])


def test_kaldi_positions_and_unknown_phones():
    assert map_phones("SH_B AA1_I T_E AY_S".split(), "arpabet")[0] == ["ʃ", "ɑ", "t", "aɪ"]
    assert map_phones(["XX", "ʃ"], "arpabet")[0] == [None, None]
    with pytest.raises(CorpusError, match="arpabet, timit, sampa, mfa-english"):
        map_phones(["a"], "cyrillic")


def test_schwa_is_not_strut():
    assert map_phones(["AH0", "AH1", "AH"], "arpabet")[0] == ["ə", "ʌ", "ʌ"]


@given(st.sampled_from([spelling for phone in phones() for spelling in phone.spellings["mfa-english"]]), st.data())
def test_ipa_may_be_composed_or_decomposed(spelling, data):
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    expected = map_phones([spelling], "mfa-english")[0]
    assert map_phones([unicodedata.normalize(form, spelling)], "mfa-english")[0] == expected
    assert expected[0] is not None


@given(st.lists(st.text(max_size=6), max_size=10), st.sampled_from(ENGLISH_SETS))
def test_any_text_is_mapped_to_a_known_class_or_none(labels, phone_set):
    found, stress = map_phones(labels, phone_set)
    assert len(found) == len(stress) == len(labels)
    assert set(found) <= {None, *(phone.label for phone in phones())}
    assert all(s is None or (s in (0, 1, 2) and label is not None) for label, s in zip(found, stress, strict=True))


@pytest.mark.parametrize(
    ("labels", "phone_set"),
    [
        ("IY1 S T", "arpabet"),
        ("iy1 s t sh", "arpabet"),
        ("S T HH AA", "arpabet"),
        ("sh iy hv dcl", "timit"),
        ("S { T i:", "sampa"),
        ("ʃ i t", "ipa"),
        ("aj ow p t ʃ", "mfa-english"),
        ("æ i: s", "mfa-english"),
    ],
)
def test_detection(labels, phone_set):
    assert detect_phone_set(labels.split()) == phone_set


def test_undecidable_labels_show_the_evidence():
    with pytest.raises(CorpusError, match=r"2 labels \(S T\): arpabet knows 2.*sampa knows 2.*--phone-set"):
        detect_phone_set(["S", "T", "sil", ""])
    with pytest.raises(CorpusError, match="only silence"):
        detect_phone_set(["sil", "<p:>"])


def test_silence_of_all_aligners():
    for label in [
        "",
        "sp",
        "sp_S",
        "sil_S",
        "SIL",
        "spn",
        "<p:>",
        "<usb>",
        "h#",
        "pau",
        "{LG}",
        "{B_TRANS}",
        "NOISE",
        " ",
    ]:
        assert is_silence(label), label
    for phone in phones():
        for spellings in phone.spellings.values():
            assert not any(map(is_silence, spellings)), phone
    assert all(label == label.lower() for label in SILENCES)


def test_labels_are_resolved_from_ipa_and_alias():
    for phone in phones():
        assert resolve_label(phone.alias) == resolve_label(phone.label) == phone.label
    assert len({phone.alias for phone in phones()}) == len(phones())
    assert [resolve_label(name) for name in ("er", "S", "s", "g", "ʧ", " tS ")] == ["ɝ", "ʃ", "s", "ɡ", "tʃ", "tʃ"]
    with pytest.raises(CorpusError, match=r"'zz'.*ɝ=er"):
        resolve_label("zz")


def test_user_mapping_goes_first(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("phone,label\nER0,ə\nRR,er\nCLICK,ǃ\n", encoding="utf-8-sig")
    mapping = load_mapping(path)
    assert mapping == {"ER0": "ə", "RR": "ɝ", "CLICK": "ǃ"}
    assert map_phones(["ER0", "ER1", "RR", "CLICK"], "arpabet", mapping) == (["ə", "ɝ", "ɝ", "ǃ"], [0, 1, None, None])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "columns phone,label"),
        ("", "it is empty"),
        ("phone,label\nAA,\n", "line 2"),
        ("phone,label\nAA,i\nAA,u\n", "line 3: 'AA' is mapped twice"),
    ],
)
def test_faulty_mappings_are_named(tmp_path, text, words):
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=words):
        load_mapping(path)
