"""What a corpus says beside the sound: formats, order and columns become measures that tell classes apart."""

import numpy as np
import soundfile

from phonoscope.audit.facts import column_values, file_values, order_values
from phonoscope.audit.telling import tell_classes


def told(values, classes):
    return tell_classes(values, classes, [str(k) for k in range(len(classes))]).auc.estimate


def test_a_sample_format_that_goes_with_the_class_is_told(tmp_path):
    rng = np.random.default_rng(0)
    classes, paths = [], []
    for number in range(24):
        path = tmp_path / f"{number}.wav"
        subtype = "PCM_16" if number % 2 else "PCM_24"
        soundfile.write(path, 0.1 * rng.standard_normal(400), 8000, subtype=subtype)
        classes.append("ab"[number % 2])
        paths.append(path)
    values = file_values(paths)
    assert values.shape[0] == 24
    assert told(values, classes) > 0.95
    assert abs(told(values, list(rng.permutation(classes))) - 0.5) < 0.3


def test_order_and_numbers_of_names_are_measures():
    names = [f"take_{k:03d}" for k in range(20)]
    values = order_values(names)
    np.testing.assert_array_equal(values[:, 0], np.arange(1, 21))
    np.testing.assert_array_equal(values[:, 1], np.arange(20))
    assert told(values, ["a"] * 10 + ["b"] * 10) > 0.95
    assert order_values(["x", "y1"]).tolist() == [[1, -1], [2, 1]]


def test_a_column_is_one_measure_a_name_and_what_is_missing_is_one_too():
    values = column_values(["phone", None, "phone", "studio"])
    assert values.shape == (4, 3)
    assert values.sum(axis=1).tolist() == [1, 1, 1, 1]
    assert values[0].tolist() == values[2].tolist()
