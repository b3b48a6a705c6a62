import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag

from phonoscope.layer_geometry import dictionary_measures, marchenko_pastur_edges, welch_bound
from phonoscope.layer_geometry.gap import largest_gap

SHAPES = st.tuples(st.integers(1, 9), st.integers(2, 12), st.integers(0, 10_000))
NUMBERS = ("A", "A_nonzero", "B", "mu", "mu_avg", "mu_mse", "beta_min", "beta_avg", "beta_mse", "condition")

# Made by another implementation (general eigenvalues of D Dᵀ) for default_rng(seed).standard_normal((N, K)).
# seed  N  K  smallest non-zero eigenvalue, B, mu, mu_avg, mu_mse, beta_avg, babel(4)
REFERENCE = """
0   5  5 0.0767393547275 2.46812703797 0.871233854932 0.735663167745 0.599000331523 40.8480417617 1.90227324183
0   7 16 0.29176380885 4.67497621242 0.848032796914 0.729208611816 0.458914981629 42.8096744907 2.83466200353
0  30 80 0.458823038668 5.96400463132 0.690188344064 0.466296836582 0.213283849166 62.1217325808 1.95099132635
0  16  8 0.0654999451286 2.48636061682 0.71331697489 0.530832963525 0.438677788661 57.4068144217 1.52132565457
0  80 30 0.176852054684 2.39343985124 0.356037548802 0.26854557999 0.214768323582 74.4004905354 1.03658804529
0 300 80 0.268583811117 2.24730106369 0.215718221731 0.152283699881 0.12560365351 81.238067154 0.656197275152
0 560 100 0.339726224894 1.90255532606 0.168640911125 0.113393686961 0.108219839216 83.4881260533 0.501366214649
1   5  5 0.0413882907559 2.65032426142 0.770359616607 0.642660265184 0.60445671532 49.4397809261 2.36818400483
1   7 16 0.653105081376 3.76693119969 0.883570505966 0.713003662752 0.417817468712 43.7425613 2.62741656886
1  30 80 0.447159790919 6.52492763653 0.607429699898 0.486845022807 0.213803898479 60.7866591635 2.07674440469
1  16  8 0.0637501920301 2.63692815504 0.576387399271 0.505228258616 0.453295137538 59.5495329863 1.85780655252
1  80 30 0.167109440851 2.25283070453 0.305413958129 0.252187548682 0.214251486417 75.3874580783 1.01725754038
1 300 80 0.252873514444 2.19047834172 0.218677050261 0.158154308791 0.126061124754 80.8972328166 0.65892629914
1 560 100 0.344399457864 1.94783540274 0.149402300911 0.116063034271 0.108797744402 83.3343640642 0.505074767445
2   5  5 0.00348639444071 2.65970763417 0.880236888046 0.688147222875 0.640317520346 44.5404914536 2.18525915396
2   7 16 0.523015932547 4.52156741205 0.80277360284 0.688758601866 0.448612810297 46.2330227116 2.61163600709
2  30 80 0.465153977003 6.44310550056 0.679295906487 0.473989802932 0.21469377959 61.5914468149 2.00724044368
2  16  8 0.115022555218 2.04405761118 0.563953595784 0.418417862838 0.415671141463 65.0224609174 1.685108803
2  80 30 0.173587581428 2.33964856199 0.393907496588 0.291109840654 0.218246533131 73.0431564832 1.16086836857
2 300 80 0.267584093823 2.25567665106 0.231153437224 0.154417960715 0.1259622432 81.1140656614 0.711434089847
2 560 100 0.347391247835 1.93774932417 0.163103512536 0.114197465205 0.108448516213 83.4417536344 0.504120386524
"""


def random(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(shape[2]).standard_normal(shape[:2])


def slow_twin(dictionary: np.ndarray) -> dict[str, float]:
    """The definitions of Skretting & Engan, filter by filter."""
    atoms = [column / math.sqrt(sum(v * v for v in column)) for column in dictionary.T]
    operator = sum(np.outer(atom, atom) for atom in atoms)
    eigenvalues = sorted(np.linalg.eigvals(operator).real)
    nearest, babel = [], np.zeros(len(atoms) - 1)
    for k, atom in enumerate(atoms):
        cosines = sorted((abs(float(atom @ other)) for i, other in enumerate(atoms) if i != k), reverse=True)
        nearest.append(min(cosines[0], 1.0))
        babel = np.maximum(babel, [sum(cosines[: p + 1]) for p in range(len(cosines))])
    squares = sum(float(a @ b) ** 2 for a in atoms for b in atoms)
    mu, mu_mse = max(nearest), math.sqrt(squares) / len(atoms)
    return {
        "B": eigenvalues[-1],
        "A": max(eigenvalues[0], 0.0),
        "mu": mu,
        "mu_avg": sum(nearest) / len(nearest),
        "mu_mse": mu_mse,
        "beta_min": math.degrees(math.acos(mu)),
        "beta_avg": sum(math.degrees(math.acos(m)) for m in nearest) / len(nearest),
        "beta_mse": math.degrees(math.acos(min(mu_mse, 1.0))),
        "babel": babel,
    }


@pytest.mark.parametrize("line", REFERENCE.strip().splitlines(), ids=lambda line: "-".join(line.split()[:3]))
def test_random_matrices_agree_with_another_implementation(line: str) -> None:
    seed, n, k = (int(value) for value in line.split()[:3])
    expected = [float(value) for value in line.split()[3:]]
    found = dictionary_measures(np.random.default_rng(seed).standard_normal((n, k)))
    values = [found[name] for name in ("A_nonzero", "B", "mu", "mu_avg", "mu_mse", "beta_avg")]
    np.testing.assert_allclose([*values, found["babel"][3]], expected, atol=1e-9, rtol=0)
    assert found["A"] == (0.0 if n > k else found["A_nonzero"])


@settings(deadline=None)
@given(SHAPES)
def test_measures_are_their_definitions(shape: tuple[int, int, int]) -> None:
    dictionary = random(shape)
    found, expected = dictionary_measures(dictionary), slow_twin(dictionary)
    for name, value in expected.items():
        # arccos is steep at 1, where it turns rounding of 1e-16 into 1e-6 degrees
        np.testing.assert_allclose(found[name], value, atol=1e-5 if "beta" in name else 1e-9, err_msg=name)


@settings(deadline=None)
@given(SHAPES)
def test_rotation_scale_sign_and_order_of_filters_do_not_matter(shape: tuple[int, int, int]) -> None:
    dictionary = random(shape)
    generator = np.random.default_rng(shape[2] + 1)
    rotation = np.linalg.qr(generator.standard_normal((shape[0], shape[0])))[0]
    factors = generator.uniform(0.1, 10, shape[1]) * generator.choice([-1, 1], shape[1])
    changed = (rotation @ dictionary * factors)[:, generator.permutation(shape[1])]
    one, other = dictionary_measures(dictionary), dictionary_measures(changed)
    for name in (*NUMBERS, "babel"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-5, err_msg=name)


@settings(deadline=None)
@given(SHAPES)
def test_frame_bounds_hold_for_every_signal(shape: tuple[int, int, int]) -> None:
    dictionary = random(shape)
    found = dictionary_measures(dictionary)
    unit = dictionary / np.linalg.norm(dictionary, axis=0)
    signals = np.random.default_rng(0).standard_normal((shape[0], 50))
    energy = np.square(unit.T @ signals).sum(0) / np.square(signals).sum(0)
    assert (energy >= found["A"] - 1e-9).all()
    assert (energy <= found["B"] + 1e-9).all()
    within = np.square(unit.T @ (unit @ (w := np.random.default_rng(1).standard_normal(shape[1])))).sum()
    assert within >= found["A_nonzero"] * np.square(unit @ w).sum() * (1 - 1e-9)
    assert found["mu"] >= found["welch"] - 1e-12
    assert found["B"] >= shape[1] / min(shape[:2]) - 1e-9
    assert found["beta_avg"] <= math.degrees(math.acos(min(found["mu_avg"], 1.0))) + 1e-9  # arccos is concave


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_orthonormal_basis(size: int) -> None:
    basis = np.linalg.qr(np.random.default_rng(size).standard_normal((size, size)))[0]
    found = dictionary_measures(basis)
    assert found["A"] == pytest.approx(1)
    assert found["B"] == pytest.approx(1)
    assert found["rank"] == size
    assert found["tightness"] == pytest.approx(1)
    assert found["condition"] == pytest.approx(1)
    assert found["mu_mse"] == pytest.approx(1 / math.sqrt(size))
    if size > 1:
        assert found["mu"] == pytest.approx(0, abs=1e-12)
        assert found["beta_avg"] == pytest.approx(90)


@pytest.mark.parametrize("dimensions", [2, 3, 8, 20])
def test_equiangular_tight_frame_meets_the_welch_bound(dimensions: int) -> None:
    # The corners of a regular simplex: N + 1 filters, every cosine -1/N.
    centred = np.eye(dimensions + 1) - 1 / (dimensions + 1)
    simplex = np.linalg.svd(centred)[0][:, :dimensions].T
    found = dictionary_measures(simplex)
    assert found["mu"] == pytest.approx(1 / dimensions)
    assert found["welch"] == pytest.approx(1 / dimensions)
    assert found["mu_avg"] == pytest.approx(found["mu"])
    assert found["A"] == pytest.approx((dimensions + 1) / dimensions)
    assert found["B"] == pytest.approx(found["A"])
    np.testing.assert_allclose(found["babel"], np.arange(1, dimensions + 1) / dimensions)


def test_union_of_bases_is_tight_and_parseval() -> None:
    bases = [np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0] for seed in range(3)]
    found = dictionary_measures(np.concatenate(bases, axis=1))
    assert found["A"] == pytest.approx(3)
    assert found["B"] == pytest.approx(3)
    assert found["tightness"] == pytest.approx(1)


def test_complex_fourier_frame() -> None:
    atoms = np.exp(2j * np.pi * np.outer(np.arange(8), np.arange(16)) / 16)
    found = dictionary_measures(atoms)
    assert found["A"] == pytest.approx(2)
    assert found["B"] == pytest.approx(2)
    assert found["mu"] == pytest.approx(abs(np.exp(2j * np.pi * np.arange(8) / 16).sum()) / 8)


def test_fewer_filters_than_dimensions_leave_a_at_exactly_zero_in_any_precision() -> None:
    weights = np.random.default_rng(0).standard_normal((300, 80)).astype(np.float32)
    found = dictionary_measures(weights, precision=float(np.finfo(np.float32).eps))
    assert found["A"] == 0.0
    assert found["rank"] == 80
    assert found["A_nonzero"] == pytest.approx(dictionary_measures(weights.astype(np.float64))["A_nonzero"], rel=1e-6)


def test_rank_counts_what_is_independent() -> None:
    basis = np.random.default_rng(0).standard_normal((10, 4))
    dictionary = basis @ np.random.default_rng(1).standard_normal((4, 15))
    for precision, matrix in (
        (np.finfo(np.float64).eps, dictionary),
        (np.finfo(np.float32).eps, np.float32(dictionary)),
    ):
        found = dictionary_measures(np.asarray(matrix), precision=float(precision))
        assert found["rank"] == 4
        assert found["A"] == 0.0
        assert found["A_nonzero"] > 0.01
        assert found["condition"] == math.inf


def test_dead_filters_are_counted_and_left_out() -> None:
    dictionary = random((5, 8, 0))
    dead = np.insert(dictionary, 3, 0.0, axis=1)
    found, expected = dictionary_measures(dead), dictionary_measures(dictionary)
    assert (found["dead"], found["K"]) == (1, 9)
    for name in NUMBERS:
        assert found[name] == pytest.approx(expected[name]), name
    nothing = dictionary_measures(np.zeros((5, 3)))
    assert (nothing["dead"], nothing["rank"]) == (3, 0)
    assert math.isnan(nothing["B"])


def test_duplicate_and_opposite_filters_have_coherence_one() -> None:
    dictionary = random((6, 5, 1))
    found = dictionary_measures(np.column_stack([dictionary, -3 * dictionary[:, 0]]))
    assert found["mu"] == pytest.approx(1)
    assert found["beta_min"] == pytest.approx(0, abs=1e-5)


def test_one_filter_has_no_coherence() -> None:
    found = dictionary_measures(np.ones((4, 1)))
    assert found["B"] == pytest.approx(1)
    assert math.isnan(found["mu"])
    assert found["babel"] == ()


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        dictionary_measures(np.array([[1.0, np.nan], [0.0, 1.0]]))


@settings(deadline=None, max_examples=30)
@given(st.lists(SHAPES, min_size=2, max_size=4))
def test_blocks_are_the_block_diagonal_dictionary(shapes: list[tuple[int, int, int]]) -> None:
    blocks = [random(shape) for shape in shapes]
    one, whole = dictionary_measures(blocks), dictionary_measures(block_diag(*blocks))
    for name in ("N", "K", "rank", "babel", *NUMBERS):
        np.testing.assert_allclose(one[name], whole[name], rtol=1e-6, atol=1e-5, err_msg=name)


def test_marchenko_pastur_edges_hold_large_random_dictionaries() -> None:
    for n, k in ((200, 600), (600, 200)):
        found = dictionary_measures(np.random.default_rng(0).standard_normal((n, k)))
        lower, upper = marchenko_pastur_edges(n, k)
        assert found["A_nonzero"] == pytest.approx(lower, rel=0.12)
        assert found["B"] == pytest.approx(upper, rel=0.05)
    assert marchenko_pastur_edges(30, 80) == pytest.approx((0.40068034295576266, 6.93265299037757))


def test_welch_bound_is_known() -> None:
    assert welch_bound(2, 3) == pytest.approx(0.5)
    assert welch_bound(7, 16) == pytest.approx(math.sqrt(9 / 105))
    assert welch_bound(5, 5) == 0.0


@pytest.mark.parametrize("filters", [2, 3, 5, 9])
def test_gap_in_the_plane_is_found_by_turning_around(filters: int) -> None:
    dictionary = random((2, filters, filters))
    angles = np.linspace(0, np.pi, 200_001)
    unit = dictionary / np.linalg.norm(dictionary, axis=0)
    farthest = np.abs(unit.T @ np.vstack([np.cos(angles), np.sin(angles)])).max(0).min()
    gap = largest_gap([dictionary], ranks_full=True)
    assert gap.exact
    assert gap.high == pytest.approx(farthest, abs=1e-4)


def test_gap_of_an_orthonormal_basis_is_the_diagonal() -> None:
    for size in (1, 2, 5, 12):
        assert largest_gap([np.eye(size)], ranks_full=True).high == pytest.approx(1 / math.sqrt(size))


def test_exact_gaps_agree_with_vertex_enumeration_elsewhere() -> None:
    for seed, exact in ((0, 0.1890), (1, 0.2761), (2, 0.2455)):
        gap = largest_gap([np.random.default_rng(seed).standard_normal((7, 16))], ranks_full=True)
        assert gap.exact
        assert gap.high == pytest.approx(exact, abs=5e-5)


@pytest.mark.parametrize("shape", [(12, 20, 0), (30, 80, 0), (64, 128, 0), (128, 300, 1)])
def test_bounds_of_the_gap_come_with_certificates(shape: tuple[int, int, int]) -> None:
    dictionary = random(shape)
    gap = largest_gap([dictionary], ranks_full=True)
    unit = dictionary / np.linalg.norm(dictionary, axis=0)
    assert not gap.exact
    assert gap.direction is not None
    assert np.linalg.norm(gap.direction) == pytest.approx(1)
    assert np.abs(unit.T @ gap.direction).max() == pytest.approx(gap.high)
    uniform = math.sqrt(dictionary_measures(dictionary)["A"] / shape[1])
    assert uniform <= gap.low <= gap.high
    directions = np.random.default_rng(3).standard_normal((shape[0], 2000))
    directions /= np.linalg.norm(directions, axis=0)
    assert gap.high < np.abs(unit.T @ directions).max(0).min()
    if shape == (30, 80, 0):
        assert gap.high <= 0.1093  # the best of sixty linear programmes elsewhere


def test_bounds_hold_the_exact_gap() -> None:
    from phonoscope.layer_geometry.gap import _by_weights

    for seed in range(5):
        dictionary = random((5, 9, seed))
        exact = largest_gap([dictionary], ranks_full=True).high
        low, high, _ = _by_weights(dictionary / np.linalg.norm(dictionary, axis=0))
        assert low <= exact + 1e-12
        assert exact <= high + 1e-12


def test_gap_is_zero_when_the_filters_do_not_span() -> None:
    gap = largest_gap([random((9, 4, 0))], ranks_full=False)
    assert (gap.low, gap.high, gap.exact) == (0.0, 0.0, True)


def test_gap_of_groups_is_that_of_the_whole() -> None:
    blocks = [random((2, 3, 0)), random((3, 4, 1))]
    together = largest_gap(blocks, ranks_full=True)
    assert together.high == pytest.approx(largest_gap([block_diag(*blocks)], ranks_full=True).high)
