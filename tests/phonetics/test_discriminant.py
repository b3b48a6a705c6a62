"""The shrunk discriminant: scikit-learn's, whether tokens or cells are more, in parts, with cells that never vary."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.baselines import linear_twin
from phonoscope.phonetics.discriminant import fit_discriminant


def pictures(n_tokens, n_cells, n_classes=4, seed=0):
    """Pictures whose cells are correlated, at the level of decibels, one cell the same in all."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_tokens) % n_classes
    means, mixing = rng.standard_normal((n_classes, n_cells)), rng.standard_normal((12, n_cells))
    values = 0.3 * means[codes] + 0.5 * rng.standard_normal((n_tokens, 12)) @ mixing
    values += rng.standard_normal((n_tokens, n_cells)) - 40
    values[:, 1] = -60.0
    return values.astype(np.float32), np.array(["i", "æ", "ɑ", "u"])[codes]


def theirs(values, classes):
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(values.astype(float), classes)


@pytest.mark.parametrize(("n_tokens", "n_cells"), [(60, 300), (500, 40), (1100, 30), (1100, 1300)])
def test_scores_are_scikit_learns(n_tokens, n_cells):
    values, classes = pictures(n_tokens, n_cells)
    held_out = np.concatenate([values[:50] + 1, values[-50:] - 1])
    model, expected = fit_discriminant(values, classes), theirs(values, classes)
    assert model.classes.tolist() == expected.classes_.tolist()
    ours, reference = model.scores(held_out), expected.decision_function(held_out.astype(float))
    # only differences between classes mean anything
    centred = [table - table.mean(axis=1, keepdims=True) for table in (ours, reference)]
    np.testing.assert_allclose(*centred, atol=1e-7 * np.abs(centred[1]).max())
    assert model.predict(held_out).tolist() == expected.predict(held_out.astype(float)).tolist()


@pytest.mark.filterwarnings("ignore:Only one sample available")
def test_a_class_of_one_token_and_cells_that_never_vary():
    values, classes = pictures(41, 60)
    classes = np.where(np.arange(41) == 40, "ɪ", classes)
    held_out = values[:20] + 0.5
    assert (
        fit_discriminant(values, classes).predict(held_out).tolist()
        == theirs(values, classes).predict(held_out).tolist()
    )
    same = np.zeros((10, 5), dtype=np.float32)
    assert len(fit_discriminant(same, np.arange(10) % 2).predict(same)) == 10


def test_rows_say_which_tokens_are_learnt_from_and_judged():
    values, classes = pictures(90, 20)
    rows = np.flatnonzero(np.arange(90) % 3 > 0)
    model, again = fit_discriminant(values, classes, rows), fit_discriminant(values[rows], classes[rows])
    np.testing.assert_allclose(model.coefficients, again.coefficients, rtol=1e-9)
    assert model.predict(values, rows[:7]).tolist() == model.predict(values[rows[:7]]).tolist()


def test_the_twin_is_cross_validated_and_never_names_a_class_it_was_not_shown():
    values, classes = pictures(80, 200)
    folds = np.where(classes == "u", 0, np.arange(80) // 4 % 4)  # every /u/ is tested by a model without /u/
    twin = linear_twin(values, classes, folds=folds)
    expected = np.empty(80, dtype=object)
    for fold in range(4):
        expected[folds == fold] = theirs(values[folds != fold], classes[folds != fold]).predict(values[folds == fold])
    assert twin.predictions.tolist() == expected.tolist()
    assert twin.details["class_not_trained"] == 20
    assert twin.accuracy == np.mean(expected == classes) < 0.76
    train = np.arange(80) < 60
    split = linear_twin(values, classes, train=train, test=~train)
    assert split.predictions[~train].tolist() == theirs(values[train], classes[train]).predict(values[~train]).tolist()
    with pytest.raises(PhonoscopeError, match="fewer than two classes"):
        linear_twin(values, np.where(train, "i", "u"), train=train, test=~train)
