"""Written texts as tokens: characters, phones, pieces of words; where the marked part is; what is refused."""

import json

import pytest

from phonoscope.errors import ClassifierError
from phonoscope.networks.outside.marked import MarkedTokens
from phonoscope.networks.outside.tokenising import (
    ctc_tokens,
    read_tokenizer,
    sequence_tokens,
    written_text,
)

CAPITALS = {symbol: at for at, symbol in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABDEGHOT'"])}
PHONES = {symbol: at for at, symbol in enumerate(["<pad>", "[UNK]", "t", "tʃ", "ɪ", "iː", "p"])}
END = 0


def transformers():
    return pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")


@pytest.fixture(scope="module")
def characters(tmp_path_factory):
    """Tokenizer of a CTC recogniser with capital letters, as transformers writes it."""
    folder = tmp_path_factory.mktemp("characters")
    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABDEGHOT'"]
    (folder / "vocab.json").write_text(json.dumps({symbol: at for at, symbol in enumerate(symbols)}))
    transformers().Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    return read_tokenizer(folder)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """Whisper's tokenizer with few merges: " bad", " bed" and " the" are single tokens, " dog" is two."""
    folder = tmp_path_factory.mktemp("pieces")
    merges = ["b a", "ba d", "Ġ bad", "b e", "be d", "Ġ bed", "t h", "th e", "Ġ the", "Ġ do"]
    merges.insert(9, "d o")
    symbols = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz.'", "Ġ"]
    symbols += [merge.replace(" ", "") for merge in merges]
    vocabulary = {symbol: at for at, symbol in enumerate(symbols)}
    transformers().WhisperTokenizer(
        vocab=vocabulary, merges=[tuple(merge.split()) for merge in merges]
    ).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    return read_tokenizer(folder)


def spelled(marked, names):
    """Symbols of a text and of its marked part, by name."""
    symbols = [names[token] for token in marked.tokens]
    return symbols, symbols[slice(*marked.span)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("the [bad] dog", "BAD"),
        ("THE b[a]d dog", "A"),
        ("the [bad dog]", "BAD|DOG"),
        ("the[ bad] dog", "|BAD"),
        ("  the  [bad]  dog ", "BAD"),
        ("the bad dog", "THE|BAD|DOG"),
    ],
)
def test_characters_follow_the_vocabulary(text, part):
    names = {position: symbol for symbol, position in CAPITALS.items()}
    (marked,) = ctc_tokens([text], CAPITALS)
    assert spelled(marked, names) == (list("THE|BAD|DOG"), list(part))
    assert written_text(marked.tokens, CAPITALS) == "THE BAD DOG"


def test_characters_by_a_tokenizer_are_those_of_its_vocabulary(characters):
    assert ctc_tokens(["the [bad] dog"], characters) == ctc_tokens(["the [bad] dog"], CAPITALS)
    assert list(ctc_tokens(["the bad dog"], characters)[0].tokens) == characters("THE BAD DOG").input_ids
    assert written_text(characters("BAD DOG").input_ids, characters) == "BAD DOG"


def test_phones_stand_between_spaces():
    names = {position: symbol for symbol, position in PHONES.items()}
    (marked,) = ctc_tokens(["tʃ [ɪ] p"], PHONES)
    assert spelled(marked, names) == (["tʃ", "ɪ", "p"], ["ɪ"])
    assert written_text(marked.tokens, PHONES) == "tʃ ɪ p"


def test_phones_by_a_tokenizer_are_written_not_translated(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({**PHONES, "<s>": 7, "</s>": 8, "<unk>": 9}))
    tokenizer = transformers().Wav2Vec2PhonemeCTCTokenizer(str(tmp_path / "vocab.json"))
    assert ctc_tokens(["tʃ [ɪ] p"], tokenizer) == ctc_tokens(["tʃ [ɪ] p"], PHONES)
    assert written_text([3, 4, 6], tokenizer) == "tʃ ɪ p"


class UnusualSigns:
    """A tokenizer whose padding and space are signs that might be letters."""

    word_delimiter_token, all_special_tokens = "~", ["_", "~"]

    def get_vocab(self):
        return {"_": 0, "~": 1, "a": 2, "b": 3}


def test_padding_is_no_letter_and_any_sign_may_be_the_space():
    assert ctc_tokens(["[a] b"], UnusualSigns()) == [MarkedTokens((2, 1, 3), (0, 1))]
    assert written_text([2, 1, 3], UnusualSigns()) == "a b"
    with pytest.raises(ClassifierError, match="'_'; it has: a b"):
        ctc_tokens(["a_b"], UnusualSigns())


@pytest.mark.parametrize(
    ("vocabulary", "text", "message"),
    [
        (CAPITALS, "the [cad] fox", "lacks characters of 'the cad fox': 'c', 'f', 'x'; it has: ' A B D"),
        (PHONES, "tʃɪp", "lacks symbols of 'tʃɪp': 'tʃɪp'; it has: iː p t tʃ ɪ. Put spaces between"),
        (PHONES, "t[ʃ] ɪ p", "cut through 'tʃ'"),
        ({"a": 0, "b": 1}, "a b", "lacks characters of 'a b': ' '"),
        (CAPITALS, "<pad>", "lacks characters"),
    ],
)
def test_what_the_vocabulary_lacks_is_named(vocabulary, text, message):
    with pytest.raises(ClassifierError) as refused:
        ctc_tokens([text], vocabulary)
    assert message in str(refused.value)


def test_pieces_of_words_keep_the_marked_part(pieces):
    names = {position: symbol for symbol, position in pieces.get_vocab().items()}
    marked, compound, whole = sequence_tokens(["the [bad] dog", "the bad [dog]", "the bed dog"], pieces, END)
    assert spelled(marked, names) == (["Ġthe", "Ġbad", "Ġdo", "g"], ["Ġbad"])
    assert spelled(compound, names)[1] == ["Ġdo", "g"]
    assert whole.tokens[-1] == END
    assert whole.span == (0, 5)
    assert written_text(whole.tokens, pieces) == "the bed dog"


def test_brackets_within_a_piece_are_refused(pieces):
    with pytest.raises(ClassifierError, match="cut through 'bad'"):
        sequence_tokens(["the b[a]d dog"], pieces, END)


class SentencePieces:
    """A tokenizer without offsets that cuts lower-case words in two, as those of SentencePiece are."""

    unk_token_id = 99
    names = ("▁the", "▁b", "ad", "▁do", "g", "s")

    def __call__(self, text, **_):
        rest, tokens = "▁" + text.lower().strip().replace(" ", "▁"), []
        while rest:
            tokens.append(next(at for at, name in enumerate(self.names) if rest.startswith(name)))
            rest = rest[len(self.names[tokens[-1]]) :]
        return {"input_ids": tokens}

    def convert_ids_to_tokens(self, tokens):
        return [self.names[token] for token in tokens]


def test_pieces_without_offsets_are_placed_by_their_letters():
    tokenizer = SentencePieces()
    assert sequence_tokens(["The [bad] dogs"], tokenizer, 7) == [MarkedTokens((0, 1, 2, 3, 4, 5), (1, 3))]
    assert sequence_tokens(["the bad dog[s]"], tokenizer, 7) == [MarkedTokens((0, 1, 2, 3, 4, 5), (5, 6))]
    with pytest.raises(ClassifierError, match="cut through 'do'"):
        sequence_tokens(["the bad d[o]gs"], tokenizer, 7)
    tokenizer.convert_ids_to_tokens = lambda tokens: ["▁other"] * len(tokens)
    with pytest.raises(ClassifierError, match="writes 'the bad' as 'other other other'"):
        sequence_tokens(["the bad"], tokenizer, 7)


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    transformers()
    with pytest.raises(ClassifierError, match="no tokenizer can be read from"):
        read_tokenizer(tmp_path)
