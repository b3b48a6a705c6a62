"""Scores of texts against enumeration of every path, their gradients, forced alignment, and what is refused."""

import itertools
import math

import pytest
import torch

from phonoscope.errors import ClassifierError
from phonoscope.networks.outside.ctc import ctc_best_tokens, ctc_frames, ctc_text_scores
from phonoscope.networks.outside.marked import MarkedTokens, marked_tokens, parse_marked
from phonoscope.networks.outside.texts import sequence_text_scores
from precision import tolerance

BLANK, SYMBOLS, FRAMES = 0, 4, 6


def random_log_probs(batch=1, frames=FRAMES, symbols=SYMBOLS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(batch, frames, symbols, generator=generator, dtype=torch.float64)).log_softmax(2)


def collapsed(path, blank=BLANK):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != blank)


def enumerated(log_probs, accepts):
    """Log probability of all paths whose collapsed symbols are accepted."""
    frames, symbols = log_probs.shape
    terms = [
        sum(log_probs[frame, symbol].item() for frame, symbol in enumerate(path))
        for path in itertools.product(range(symbols), repeat=frames)
        if accepts(collapsed(path))
    ]
    return math.log(math.fsum(map(math.exp, terms)))


def around(text):
    """Whether a sequence begins and ends as the text does around its marked part."""
    before, after = text.before, text.after

    def accepts(tokens):
        fits = len(tokens) >= len(before) + len(after)
        return fits and tokens[: len(before)] == before and tokens[len(tokens) - len(after) :] == after

    return accepts


# Every kind of neighbourhood: repeated symbols within and across the borders of the part, and parts at the ends.
TEXTS = [
    MarkedTokens(tokens, span)
    for tokens in [(1,), (1, 2), (1, 1), (1, 2, 1), (2, 1, 1), (1, 1, 2), (3, 1, 2, 3), (1, 2, 2, 1)]
    for span in itertools.combinations(range(len(tokens) + 1), 2)
]


def test_scores_are_those_of_all_paths():
    log_probs = random_log_probs()
    scores = ctc_text_scores(log_probs, TEXTS, BLANK)[0]
    for text, score in zip(TEXTS, scores.tolist(), strict=True):
        expected = enumerated(log_probs[0], lambda tokens, text=text: tokens == text.tokens)
        if text.before or text.after:
            expected -= enumerated(log_probs[0], around(text))
        assert score == pytest.approx(expected, abs=1e-12), text
        assert score <= 0


def test_any_symbol_may_be_the_blank():
    order = [2, 0, 1, 3]  # symbol 2 is the blank
    log_probs, texts = random_log_probs(seed=1), [MarkedTokens((1, 2, 3)), MarkedTokens((1, 2, 1), (1, 2))]
    renamed = [MarkedTokens([order[token] for token in text.tokens], text.span) for text in texts]
    scores = ctc_text_scores(log_probs[:, :, torch.tensor(order).argsort()], renamed, order[BLANK])
    torch.testing.assert_close(scores, ctc_text_scores(log_probs, texts, BLANK))


def test_whole_texts_agree_with_torch():
    log_probs, texts = random_log_probs(3, 40, 12), [(3, 4, 4, 5), (9,), (1, 2, 3, 4, 5, 6, 7, 8)]
    scores = ctc_text_scores(log_probs, [MarkedTokens(text) for text in texts], BLANK)
    for column, text in enumerate(texts):
        expected = -torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            torch.tensor([text] * 3),
            torch.full((3,), 40),
            torch.full((3,), len(text)),
            blank=BLANK,
            reduction="none",
        )
        torch.testing.assert_close(scores[:, column], expected, rtol=0, atol=1e-12)


def test_marks_of_two_texts_that_differ_there_alone_cancel():
    log_probs = random_log_probs(2, 30)
    bad, bed = (1, 2, 3, 1), (1, 3, 3, 1)
    whole = ctc_text_scores(log_probs, [MarkedTokens(bad), MarkedTokens(bed)], BLANK)
    marked = ctc_text_scores(log_probs, [MarkedTokens(bad, (1, 2)), MarkedTokens(bed, (1, 2))], BLANK)
    torch.testing.assert_close(marked[:, 0] - marked[:, 1], whole[:, 0] - whole[:, 1])
    assert (marked > whole).all()


def test_gradients_are_those_of_finite_differences():
    logits = torch.randn(2, 5, SYMBOLS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    texts = [MarkedTokens((1, 2, 1)), MarkedTokens((1, 2, 1), (1, 2)), MarkedTokens((3, 3), (0, 1))]
    assert torch.autograd.gradcheck(
        lambda x: ctc_text_scores(x.log_softmax(2), texts, BLANK), logits.requires_grad_(True)
    )


def test_a_symbol_that_cannot_occur_leaves_gradients_finite():
    logits = torch.randn(1, 5, SYMBOLS, dtype=torch.float64)
    logits[:, 2] = torch.tensor([-math.inf, 0.0, -math.inf, -math.inf])  # the third frame is certain
    logits.requires_grad_(True)
    possible, impossible = ctc_text_scores(logits.log_softmax(2), [MarkedTokens((1,)), MarkedTokens((3,))], BLANK)[0]
    assert impossible == -math.inf
    (gradient,) = torch.autograd.grad(possible, logits)
    assert torch.isfinite(gradient).all()


def test_a_batch_is_its_sounds_one_by_one():
    log_probs, texts = random_log_probs(3, 50).float(), TEXTS
    together = ctc_text_scores(log_probs, texts, BLANK)
    rounding = tolerance(together.numpy(), 100)
    alone = torch.cat([ctc_text_scores(row[None], texts, BLANK) for row in log_probs])
    torch.testing.assert_close(together, alone, rtol=0, atol=rounding)
    singly = torch.cat([ctc_text_scores(log_probs, [text], BLANK) for text in texts], 1)
    torch.testing.assert_close(together, singly, rtol=0, atol=rounding)


def test_everything_stays_on_the_device_of_the_outputs():
    log_probs = random_log_probs().to("meta").requires_grad_(True)
    scores = ctc_text_scores(log_probs, TEXTS, BLANK)
    (gradient,) = torch.autograd.grad(scores.sum(), log_probs)
    frames = ctc_frames(log_probs, TEXTS, BLANK)
    sequence = sequence_text_scores(log_probs[:, :2], MarkedTokens((1, 2)))
    assert {result.device.type for result in (scores, gradient, frames, sequence)} == {"meta"}


def best_frames(log_probs, text):
    """Frames of the marked part on the most probable of all paths of the text."""
    paths = [
        path for path in itertools.product(range(SYMBOLS), repeat=len(log_probs)) if collapsed(path) == text.tokens
    ]
    best = max(paths, key=lambda path: sum(log_probs[frame, symbol].item() for frame, symbol in enumerate(path)))
    runs, frame = [], 0
    for symbol, run in itertools.groupby(best):
        length = len(list(run))
        if symbol != BLANK:
            runs.append((frame, frame + length))
        frame += length
    return [runs[text.span[0]][0], runs[text.span[1] - 1][1]]


def test_frames_are_those_of_the_best_path():
    log_probs = random_log_probs(2, seed=4)
    frames = ctc_frames(log_probs, TEXTS, BLANK)
    assert frames.tolist() == [[best_frames(row, text) for text in TEXTS] for row in log_probs]


def test_best_tokens_join_repetitions_unless_a_blank_is_between():
    path = [[0, 1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 0, 0]]
    log_probs = torch.nn.functional.one_hot(torch.tensor(path), 3).float()
    assert ctc_best_tokens(log_probs, BLANK) == [[1, 1, 2], []]


def test_scores_of_sequences_are_sums_over_the_marked_tokens():
    logits = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    log_probs = logits.log_softmax(2)
    marked = sequence_text_scores(logits, MarkedTokens((4, 2, 1), (1, 3)))
    torch.testing.assert_close(marked, log_probs[:, 1, 2] + log_probs[:, 2, 1])
    whole = sequence_text_scores(logits, MarkedTokens((4, 2, 1)))
    torch.testing.assert_close(whole - marked, log_probs[:, 0, 4])
    with pytest.raises(ClassifierError, match="3 positions and 5 symbols"):
        sequence_text_scores(logits, MarkedTokens((4, 2)))
    with pytest.raises(ClassifierError, match="up to number 5"):
        sequence_text_scores(logits, MarkedTokens((4, 2, 5)))


@pytest.mark.parametrize(
    ("text", "plain", "marked"),
    [
        ("the [bad] dog", "the bad dog", "bad"),
        ("[the] dog", "the dog", "the"),
        ("b[a]d", "bad", "a"),
        ("[dog]", "dog", "dog"),
        ("the bad dog", "the bad dog", "the bad dog"),
    ],
)
def test_brackets_mark_a_part(text, plain, marked):
    parsed, (start, stop) = parse_marked(text)
    assert (parsed, parsed[start:stop]) == (plain, marked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the [bad dog", "do not match"),
        ("the bad] dog", "do not match"),
        ("the ]bad[ dog", "do not match"),
        ("the [b[a]d] dog", "2 pairs"),
        ("[the] bad [dog]", "2 pairs"),
        ("the [] dog", "are empty"),
        ("the [ ] dog", "are empty"),
        ("  ", "is empty"),
        ("[]", "is empty"),
    ],
)
def test_wrong_brackets_are_refused_in_words(text, message):
    with pytest.raises(ClassifierError, match=message):
        parse_marked(text)


def test_marked_tokens_survive_json():
    text = MarkedTokens((1, 2, 3), (1, 2))
    assert (text.before, text.after) == ((1,), (3,))
    assert marked_tokens(text.config()) == marked_tokens(text) == text
    assert marked_tokens([1, 2]) == MarkedTokens((1, 2), (0, 2))


@pytest.mark.parametrize(("tokens", "span"), [((), (0, -1)), ((1,), (0, 2)), ((1,), (1, 1)), ((-1,), (0, 1))])
def test_tokens_that_are_no_text_are_refused(tokens, span):
    with pytest.raises(ClassifierError, match="at least one"):
        MarkedTokens(tokens, span)


@pytest.mark.parametrize(
    ("tokens", "blank", "message"),
    [
        ((1, 2, 3, 1, 2, 3, 1), BLANK, "text 2 needs at least 7 frames, and the recogniser makes 6"),
        ((1, 1, 1, 1), BLANK, "at least 7 frames"),
        ((1, 4), BLANK, "must be below 4"),
        ((1, 0), BLANK, "must not be 0"),
        ((1,), 4, "the blank is symbol 4"),
    ],
)
@pytest.mark.parametrize("function", [ctc_text_scores, ctc_frames])
def test_texts_that_cannot_be_are_refused(function, tokens, blank, message):
    with pytest.raises(ClassifierError, match=message):
        function(random_log_probs(), [MarkedTokens((1,)), MarkedTokens(tokens)], blank)
