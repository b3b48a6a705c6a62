"""Targets in words: classes with hyphens in their names, and contrasts of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.attribution.targets import Contrast, contrast, parse_target
from phonoscope.errors import AttributionError

LABELS = ["front-high", "front", "æ", "i", "ɝ", "high", "back-low"]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("true", "true"),
        ("predicted", "predicted"),
        ("i", "i"),
        ("front-high", "front-high"),  # a class goes before a contrast of two
        ("i-er", contrast("i", "er")),
        ("i - er", contrast("i", "er")),
        ("front-high-æ", contrast("front-high", "æ")),
        ("æ-front-high", contrast("æ", "front-high")),
        ("front-high-back-low", contrast("front-high", "back-low")),
    ],
)
def test_examples(text, target):
    assert parse_target(text, LABELS) == target


@pytest.mark.parametrize("text", ["s", "i-s", "s-i", "-", "i-", "front_high", ""])
def test_what_is_no_target_is_refused_with_the_classes(text):
    with pytest.raises(AttributionError, match=r"neither a class nor a contrast of two, written i-er; .*back-low"):
        parse_target(text, LABELS)


@given(st.lists(st.text("ab-", min_size=1, max_size=4), min_size=2, max_size=5, unique=True), st.data())
def test_every_class_and_every_contrast_can_be_written(labels, data):
    for label in labels:
        assert parse_target(label, labels) == label
    one, other = data.draw(st.permutations(labels))[:2]
    read = parse_target(f"{one}-{other}", labels)
    written = f"{read.positive}-{read.negative}" if isinstance(read, Contrast) else read
    assert written == f"{one}-{other}"
