"""From written texts to a recogniser's tokens, the marked part kept: characters, phones or pieces of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from phonoscope.errors import ClassifierError, MissingExtraError
from phonoscope.networks.outside.marked import MarkedTokens, parse_marked
from phonoscope.networks.outside.texts import CtcTexts, SequenceTexts

_SHOWN_SYMBOLS = 100
_SPECIAL = re.compile(r"<.+>|\[.+\]")


class _Piece(NamedTuple):
    """A token and the characters that it stands for: the first and the one after the last."""

    token: int
    start: int
    stop: int


def read_tokenizer(folder: str | Path) -> Any:
    """Read the tokenizer of a transformers folder, offline and without running code from the folder.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ClassifierError
        If the folder holds no tokenizer that it can read.
    """
    try:
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingExtraError("transformers", "hf") from error
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ClassifierError(
            f"no tokenizer can be read from {folder} ({reason}). Put the tokenizer's files (vocab.json or "
            f"tokenizer.json, tokenizer_config.json) beside the model, or give texts as lists of tokens"
        ) from error


def text_recogniser(
    model: nn.Module,
    texts: Sequence[Any],
    tokenizer: Any = None,
    *,
    blank: int | None = None,
    language: str | None = None,
    task: str = "transcribe",
) -> CtcTexts | SequenceTexts:
    """Turn a recogniser into a network whose scores are the log probabilities of texts.

    Parameters
    ----------
    model
        A recogniser with CTC outputs, or an encoder-decoder as transformers has them.
    texts
        Candidates: all written, with the part in question in brackets (``"the [bad] dog"``), or all as tokens.
    tokenizer
        From ``read_tokenizer``; only written texts need it.
    blank
        Position of the CTC blank; by default the tokenizer's or the model's padding token, else 0.
    language, task
        For recognisers of several languages: the language's code, and ``transcribe`` or ``translate``.

    Raises
    ------
    ClassifierError
        If a text cannot be put in the model's tokens, or the model does not say how its decoder begins or ends.
    """
    written = [text for text in texts if isinstance(text, str)]
    if written and (tokenizer is None or len(written) < len(texts)):
        raise ClassifierError(
            f"the text {written[0]!r} needs the recogniser's tokenizer, and either all texts are written or none; "
            f"without a tokenizer give every text as a list of tokens"
        )
    config = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        end = _first_known("eos_token_id", tokenizer, *_configs(model))
        if end is None:
            raise ClassifierError("which token ends a text is not known; set model.generation_config.eos_token_id")
        prompt = decoder_prompt(model, language=language, task=task)
        tokens = sequence_tokens(written, tokenizer, end) if written else texts
        return SequenceTexts(model, tokens, prompt=prompt, end=end)
    if blank is None:
        blank = _first_known("pad_token_id", tokenizer, config) or 0
    return CtcTexts(model, ctc_tokens(written, tokenizer) if written else texts, blank=blank)


def ctc_tokens(texts: Sequence[str], tokenizer: Any) -> list[MarkedTokens]:
    """Put texts in the tokens of a CTC recogniser.

    A vocabulary of single characters takes ordinary text, in the case that it has. In one with longer symbols (phones
    such as ``tʃ`` and ``aɪ``) a text is its symbols with spaces between them. Where symbols are pieces of words, the
    tokenizer cuts the text.

    Parameters
    ----------
    texts
        With or without a part in brackets.
    tokenizer
        From ``read_tokenizer``, or the vocabulary itself: a dict from symbols to their positions.

    Raises
    ------
    ClassifierError
        If the vocabulary lacks a symbol of a text (all of them are named), or brackets are not as they should be.
    """
    if not _is_of_symbols(tokenizer):
        return [_marked(text, lambda plain: _word_pieces(plain, tokenizer)) for text in texts]
    vocabulary = _symbols(tokenizer)
    pieces = _phones if any(len(symbol) > 1 for symbol in vocabulary) else _characters
    return [_marked(text, lambda plain: pieces(plain, vocabulary)) for text in texts]


def sequence_tokens(texts: Sequence[str], tokenizer: Any, end: int) -> list[MarkedTokens]:
    """Put texts in the tokens of an encoder-decoder recogniser.

    A text without brackets is asked about with its end: "the bad", and nothing after it. Whisper writes a space before
    the first word, so its texts get one.

    Parameters
    ----------
    texts
        With or without a part in brackets.
    tokenizer
        From ``read_tokenizer``.
    end
        Token that ends a text.

    Raises
    ------
    ClassifierError
        If the tokenizer does not know a part of a text, or brackets cut through a token or do not match.
    """
    leading = " " if "whisper" in type(tokenizer).__name__.lower() else ""
    result = []
    for text in texts:
        marked = _marked(leading + " ".join(text.split()), lambda plain: _word_pieces(plain, tokenizer))
        result.append(marked if "[" in text else MarkedTokens((*marked.tokens, end)))
    return result


def decoder_prompt(model: Any, *, language: str | None = None, task: str = "transcribe") -> list[int]:
    """Tokens that the decoder of a recogniser is given before a text, by its own configuration.

    The start token; then, for Whisper, language and task (if it knows several) and "no timestamps"; for others the
    token that must come first, if there is one.

    Parameters
    ----------
    model
        With ``config`` and ``generation_config`` as in transformers.
    language
        Code of the language, such as ``en``.
    task
        ``transcribe`` or ``translate``.

    Raises
    ------
    ClassifierError
        If the start token is not known, or the model knows several languages and not the one given.
    """
    configs = _configs(model)
    start = _first_known("decoder_start_token_id", *configs)
    if start is None:
        start = _first_known("bos_token_id", *configs)
    if start is None:
        raise ClassifierError(
            "which token the decoder starts with is not known; set model.generation_config.decoder_start_token_id"
        )
    prompt = [start]
    languages = {code.strip("<|>"): token for code, token in (_first("lang_to_id", *configs) or {}).items()}
    forced = _first("forced_decoder_ids", *configs) or []
    if language is None and forced and all(token is not None for _, token in forced):
        return [*prompt, *(int(token) for _, token in sorted(forced))]
    if languages:
        if language not in languages:
            reason = "say which one is spoken" if language is None else f"{language!r} is not among them"
            raise ClassifierError(
                f"the recogniser knows {len(languages)} languages and {reason}: pass language= with one of "
                f"{', '.join(sorted(languages))}"
            )
        tasks = _first("task_to_id", *configs) or {}
        if task not in tasks:
            raise ClassifierError(f"the recogniser has no task {task!r}; it has: {', '.join(tasks)}")
        prompt += [languages[language], tasks[task]]
    elif language is not None:
        raise ClassifierError(f"the recogniser lists no languages; leave out language={language!r}")
    begin = [_first_known(name, *configs) for name in ("forced_bos_token_id", "no_timestamps_token_id")]
    return prompt + [token for token in begin if token is not None]


def written_text(tokens: Sequence[int], tokenizer: Any) -> str:
    """Text of the tokens that ``transcribe`` gives, by a tokenizer or by a vocabulary."""
    if not _is_of_symbols(tokenizer):
        return tokenizer.decode(list(tokens), skip_special_tokens=True).strip()
    vocabulary = _symbols(tokenizer)
    names = {position: symbol for symbol, position in vocabulary.items()}
    between = " " if any(len(symbol) > 1 for symbol in vocabulary) else ""
    return between.join(names[token] for token in tokens if token in names).strip()


def _is_of_symbols(tokenizer: Any) -> bool:
    """Whether a tokenizer has characters or phones, which need no cutting: a vocabulary, or transformers' for CTC."""
    return isinstance(tokenizer, Mapping) or hasattr(tokenizer, "word_delimiter_token")


def _symbols(tokenizer: Any) -> dict[str, int]:
    """Symbols of a CTC vocabulary that are written, with their positions; what stands between words is the space."""
    vocabulary = tokenizer if isinstance(tokenizer, Mapping) else tokenizer.get_vocab()
    delimiter = getattr(tokenizer, "word_delimiter_token", "|")
    special = {*getattr(tokenizer, "all_special_tokens", [])} - {delimiter}
    return {
        " " if symbol == delimiter else symbol: int(position)
        for symbol, position in vocabulary.items()
        if symbol not in special and not _SPECIAL.fullmatch(symbol)
    }


def _marked(text: str, cut: Callable[[str], list[_Piece]]) -> MarkedTokens:
    """Cut a text into tokens and find those of the part in brackets."""
    plain, (start, stop) = parse_marked(text)
    pieces = cut(plain)
    inside = [at for at, piece in enumerate(pieces) if piece.start < stop and piece.stop > start]
    if not inside:
        raise ClassifierError(f"the brackets in {text!r} hold nothing that the recogniser has a token for")
    for piece in (pieces[inside[0]], pieces[inside[-1]]):
        if piece.start < start or piece.stop > stop:
            raise ClassifierError(
                f"the brackets in {text!r} cut through {plain[piece.start : piece.stop]!r}, which is a single token of "
                f"this recogniser; put all of it inside the brackets, or all of it outside"
            )
    return MarkedTokens(tuple(piece.token for piece in pieces), (inside[0], inside[-1] + 1))


def _characters(plain: str, vocabulary: Mapping[str, int]) -> list[_Piece]:
    """One token a character, in the vocabulary's case, and one for the space between two words."""
    pieces: list[_Piece] = []
    missing: list[str] = []
    for character in re.finditer(r"(?<=\S)\s+(?=\S)|\S", plain):
        written = character[0] if character[0].strip() else " "
        symbol = next((c for c in (written, written.upper(), written.lower()) if c in vocabulary), None)
        if symbol is None:
            missing.append(written)
        else:
            pieces.append(_Piece(vocabulary[symbol], character.end() - 1, character.end()))
    _refuse_missing(plain, missing, vocabulary, "characters")
    return pieces


def _phones(plain: str, vocabulary: Mapping[str, int]) -> list[_Piece]:
    """One token a symbol; symbols stand between spaces."""
    symbols = list(re.finditer(r"\S+", plain))
    missing = [symbol[0] for symbol in symbols if symbol[0] not in vocabulary]
    _refuse_missing(plain, missing, vocabulary, "symbols")
    return [_Piece(vocabulary[symbol[0]], symbol.start(), symbol.end()) for symbol in symbols]


def _refuse_missing(plain: str, missing: Sequence[str], vocabulary: Mapping[str, int], kind: str) -> None:
    if missing:
        known = sorted(symbol for symbol in vocabulary if symbol.strip())
        some = " ".join(known[:_SHOWN_SYMBOLS]) + (" …" if len(known) > _SHOWN_SYMBOLS else "")
        spaced = ". Put spaces between the symbols" if kind == "symbols" else ""
        raise ClassifierError(
            f"the recogniser's vocabulary lacks {kind} of {plain!r}: {', '.join(map(repr, dict.fromkeys(missing)))}; "
            f"it has: {some}{spaced}"
        )


def _word_pieces(plain: str, tokenizer: Any) -> list[_Piece]:
    """Tokens of a tokenizer that cuts words into pieces; the space before a word is not part of its first piece."""
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(plain, add_special_tokens=False, return_offsets_mapping=True)
        tokens, offsets = encoded["input_ids"], encoded["offset_mapping"]
    else:
        tokens = tokenizer(plain, add_special_tokens=False)["input_ids"]
        offsets = _offsets(plain, [piece.replace("▁", " ") for piece in tokenizer.convert_ids_to_tokens(tokens)])
    if (unknown := getattr(tokenizer, "unk_token_id", None)) in tokens:
        start, stop = offsets[tokens.index(unknown)]
        raise ClassifierError(f"the recogniser's tokenizer does not know {plain[start:stop]!r} of {plain!r}")
    pieces = []
    for token, (start, stop) in zip(tokens, offsets, strict=True):
        spaces = len(plain[start:stop]) - len(plain[start:stop].lstrip())
        pieces.append(_Piece(token, start + spaces if spaces < stop - start else start, stop))
    return pieces


def _offsets(plain: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Characters of a text that consecutive pieces stand for, where the pieces are the text cut up."""
    joined = "".join(pieces)
    shift = len(joined) - len(joined.lstrip()) - (len(plain) - len(plain.lstrip()))
    if joined.strip().casefold() != plain.strip().casefold():
        raise ClassifierError(
            f"the recogniser's tokenizer writes {plain!r} as {joined.strip()!r}; write it in this form, or give "
            f"texts as lists of tokens"
        )
    stops = [len("".join(pieces[: at + 1])) - shift for at in range(len(pieces))]
    return [(max(start, 0), stop) for start, stop in zip([0, *stops], stops, strict=False)]


def _configs(model: Any) -> list[Any]:
    """What may know a model's special tokens, surest first."""
    config = getattr(model, "config", None)
    return [getattr(model, "generation_config", None), config, getattr(config, "decoder", None)]


def _first(name: str, *sources: Any) -> Any:
    """First value of that name that is not None."""
    return next((value for source in sources if (value := getattr(source, name, None)) is not None), None)


def _first_known(name: str, *sources: Any) -> int | None:
    """First token of that name; the first of several."""
    value = _first(name, *sources)
    return int(value[0] if isinstance(value, (list, tuple)) else value) if value not in (None, []) else None
