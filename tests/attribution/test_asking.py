"""How a method is asked for: spelling, options, wrappers; and what is answered to what cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import Plain, build, waves

from phonoscope import explain
from phonoscope.attribution import Method
from phonoscope.attribution.method import prepare_method
from phonoscope.attribution.method_spec import MethodSpec, parse_method
from phonoscope.errors import AttributionError

words = st.text(st.characters(exclude_characters="(),=", exclude_categories=("Z", "C")), min_size=1)
asks = st.recursive(
    st.builds(MethodSpec, words, st.none(), st.dictionaries(words, words, max_size=3)),
    lambda inner: st.builds(MethodSpec, words, inner, st.dictionaries(words, words, max_size=2)),
    max_leaves=3,
)


@given(asks)
def test_what_is_written_is_what_is_read(spec):
    assert parse_method(str(spec)) == spec
    spaced = str(spec)
    for sign in "(),=":
        spaced = spaced.replace(sign, f" {sign}\n ")
    assert parse_method(spaced) == spec


@given(st.text("ab(),= ", max_size=12))
def test_anything_else_is_refused_in_words(text):
    try:
        spec = parse_method(text)
    except AttributionError as error:
        said = str(error)
    else:
        said = repr(text)
        assert parse_method(str(spec)) == spec
    assert repr(text) in said


def test_examples():
    assert parse_method("gradient") == MethodSpec("gradient") == parse_method(" gradient( ) ")
    assert parse_method("smooth(gradient, samples=8)") == MethodSpec("smooth", MethodSpec("gradient"), {"samples": "8"})
    deep = MethodSpec(
        "smooth", MethodSpec("integrated-gradients", None, {"baseline": "class:i", "steps": "4"}), {"noise": "0.1"}
    )
    assert parse_method("smooth(integrated-gradients(baseline=class:i,steps=4),noise=0.1)") == deep
    assert str(parse_method("smooth( grad-cam++(relu=yes) ,samples=3)")) == "smooth(grad-cam++(relu=yes), samples=3)"


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "(", ")", "gradient(", "gradient)", "a b", "smooth(gradient", "smooth(gradient))", "smooth(,)"),
        *("smooth(gradient,)", "gradient(steps=)", "gradient(=3)", "gradient(,=3)", "gradient(steps=(3))"),
        *("smooth(gradient, cam)", "smooth(samples=3, gradient)", "a=3", "gradient(steps==3)", "cam,cam"),
    ],
)
def test_what_cannot_be_read(text):
    with pytest.raises(AttributionError, match="cannot be read; write a name"):
        parse_method(text)


def test_an_option_is_given_once():
    with pytest.raises(AttributionError, match="gives steps twice"):
        parse_method("integrated-gradients(steps=3, steps=4)")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("magic", "'magic' is not known; choose one of integrated-gradients"),
        ("smooth(magic)", "'magic' is not known"),
        ("smooth", r"smooth needs a method to work on: write smooth\(gradient\)"),
        ("gradient(cam)", r"gradient does not take another method; found gradient\(cam\)"),
        ("cam(steps=3)", "cam has no option 'steps'; its options: layer=auto"),
        ("gradient(steps=3)", "gradient has no option 'steps'; its options: space=auto"),
        ("integrated-gradients(steps=many)", r"\(steps=many\): expected a value like 16"),
        ("integrated-gradients(steps=0)", "steps=0"),
        ("integrated-gradients(baseline=quiet)", "baseline=quiet is not known; choose zero, silence, floor, mean"),
        ("integrated-gradients(baseline=class:)", "baseline=class: is not known"),
        ("expected-gradients(samples=0)", "samples=0"),
        ("grad-cam(relu=perhaps)", r"\(relu=perhaps\): expected a value like False"),
        ("smooth(gradient, noise=0)", "noise above 0"),
        ("smooth(gradient, noise=nan)", "noise above 0"),
        ("smooth(gradient, samples=0)", "at least 1 sample"),
        ("var(gradient, samples=1)", "at least 2 sample"),
        ("gradient(space=cepstrum)", "space=cepstrum is not known; choose auto, picture or sound"),
    ],
)
def test_impossible_asks_are_answered(spec, says):
    with pytest.raises(AttributionError, match=says):
        explain(build(Plain, 2), waves(context_seconds=0), "i", spec)


def test_classifiers_of_waveforms_have_no_picture():
    with pytest.raises(AttributionError, match="choose space=sound"):
        explain(build(Plain, 1), waves(context_seconds=0), "i", "gradient(space=picture)")


def test_options_are_keyword_arguments_with_their_kind_and_default():
    received = {}

    def prepare(setting, *, count=3, size=0.5, name="a", flag=False):
        received.update(count=count, size=size, name=name, flag=flag)
        return setting

    methods = {"m": Method("m", "", "input", prepare)}
    assert methods["m"].options == {"count": 3, "size": 0.5, "name": "a", "flag": False}
    prepare_method(parse_method("m(count=7, size=2, flag=Yes)"), "setting", methods)  # ty: ignore[invalid-argument-type]
    assert received == {"count": 7, "size": 2.0, "name": "a", "flag": True}
    assert [type(value) for value in received.values()] == [int, float, str, bool]
