"""Is it in the data? Told where it is, not told where it is not, whatever the groups."""

import numpy as np
import pytest

from phonoscope.audit.telling import tell_classes
from phonoscope.errors import AuditError


def corpus(seed, apart, n=240, groups=30, group_sd=0.7):
    rng = np.random.default_rng(seed)
    classes, unit = rng.permutation(n) % 2, rng.integers(0, groups, n)
    values = rng.standard_normal((n, 2)) + group_sd * rng.standard_normal((groups, 2))[unit]
    values[:, 0] += apart * (classes - 0.5)
    return values, classes.astype(str), unit.astype(str)


def test_what_tells_the_classes_is_told_by_as_much_as_it_was_put_in():
    told = tell_classes(*corpus(0, 1.19, group_sd=0.0, n=500))
    assert told.auc.estimate == pytest.approx(0.8, abs=0.05)
    assert told.auc.low > 0.7
    assert told.judged.verdict() == "supported"
    assert told.null_accuracy < 0.62 < told.balanced_accuracy.estimate


def test_a_property_without_meaning_is_hardly_ever_told():
    alarms = [tell_classes(*corpus(seed, 0.0)).judged.p_for < 0.05 for seed in range(12)]
    assert sum(alarms) <= 2


def test_groups_of_one_class_do_not_pass_for_the_class():
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(6):
        unit = np.repeat(np.arange(16), 15)
        values = 3 * rng.standard_normal((16, 1))[unit] + rng.standard_normal((240, 1))
        told = tell_classes(values, (unit % 2).astype(str), unit.astype(str), seed)
        alarms += told.judged.p_for < 0.05
    assert alarms <= 1


def test_a_class_that_only_varies_more_is_told():
    values, classes, units = corpus(1, 0.0, group_sd=0)
    values[classes == "1"] *= 4
    assert tell_classes(values, classes, units).auc.estimate > 0.75


def test_scores_order_the_recordings_by_what_tells_them_apart():
    values, classes, units = corpus(2, 4.0)
    scores = tell_classes(values, classes, units).scores
    assert scores.shape == (240, 2)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)
    assert np.corrcoef(scores[:, 1] - scores[:, 0], values[:, 0])[0, 1] > 0.9


def test_three_classes_and_a_class_told_by_the_last_measure():
    rng = np.random.default_rng(3)
    classes = np.arange(180) % 3
    values = np.stack([rng.standard_normal(180), classes + 0.3 * rng.standard_normal(180)], axis=1)
    told = tell_classes(values, classes.astype(str), [str(k) for k in range(180)])
    assert told.balanced_accuracy.estimate > 0.7
    assert told.null_accuracy < 0.5


def test_where_all_recordings_are_alike_there_is_nothing_to_tell():
    _, classes, units = corpus(0, 0.0)
    told = tell_classes(np.zeros((240, 2)), classes, units)
    assert told.judged.verdict() == "contradicted"
    assert told.auc.estimate == pytest.approx(0.5)


def test_one_class_and_one_group_are_refused():
    with pytest.raises(AuditError, match="one class"):
        tell_classes(np.zeros((4, 1)), ["a"] * 4, list("wxyz"))
    with pytest.raises(AuditError, match="two groups"):
        tell_classes(np.zeros((4, 1)), list("aabb"), list("xyzz"))
