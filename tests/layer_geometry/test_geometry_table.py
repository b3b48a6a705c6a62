import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import block_diag
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from phonoscope.classifier import Classifier
from phonoscope.cli import app
from phonoscope.errors import ClassifierError
from phonoscope.frontends import Waveform
from phonoscope.layer_geometry import compare_geometry, describe, dictionary_measures, geometry, records, write_table
from phonoscope.layer_geometry.layers import Kernel, assemble
from phonoscope.layer_geometry.measures import spectrum_of
from phonoscope.layer_geometry.null import _wishart, null_law
from phonoscope.networks import build_network
from phonoscope.networks.checkpoints import load_network
from phonoscope.report.geometry import layer_figure

QUICK = {"null_draws": 0, "gap": False}
CHECKPOINT = "checkpoints/inc_tssdnet_asvspoof2019_la.pth"
# Table 4 of the paper, as printed.
TABLE_4 = {
    "A": [0.3457, 0.0, 0.0, 0.0, 0.0],
    "B": [4.5024, 3.0179, 3.7923, 8.8337, 12.5639],
    "beta_avg": [41.2059, 72.0779, 70.5769, 65.8626, 62.1708],
    "mu": [0.8925, 0.4402, 0.5149, 0.7679, 0.7788],
    "mu_avg": [0.7434, 0.307, 0.3313, 0.4056, 0.462],
}


def test_table_4_of_the_paper_from_the_command_line(shared_data: Path) -> None:
    path = str(shared_data / CHECKPOINT)
    result = CliRunner().invoke(app, ["geometry", path, "--network", "inc_tssdnet", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["layer"] for row in rows] == ["conv1", "DCM1", "DCM2", "DCM3", "DCM4"]
    assert [(row["N"], row["K"]) for row in rows] == [(7, 16), (272, 32), (544, 64), (1088, 128), (2176, 128)]
    for measure, printed in TABLE_4.items():
        assert [round(row[measure], 4) for row in rows] == printed, measure
    assert rows[0]["mu_gap"] == pytest.approx(0.2275968473054686, abs=1e-9)
    assert [row["mu_gap"] for row in rows[1:]] == [0.0] * 4

    result = CliRunner().invoke(app, ["geometry", path, "--network", "inc_tssdnet", "--null-draws", "0"])
    lines = [line.split() for line in result.stdout.splitlines()[1:6]]
    for row, line in enumerate(lines):
        for column, measure in ((3, "A"), (5, "B"), (6, "beta_avg"), (7, "mu"), (8, "mu_avg")):
            assert line[column] == f"{TABLE_4[measure][row]:.4f}"
    assert result.stdout.splitlines()[-1] == f"read  {path}"


def test_centred_blocks_and_float64_weights(shared_data: Path) -> None:
    path = shared_data / CHECKPOINT
    centred = geometry(path, network="inc_tssdnet", alignment="centre", **QUICK)
    np.testing.assert_allclose(centred["B"].iloc[1:], [2.7747, 3.8500, 7.4757, 10.1850], atol=5e-5)
    assert centred["alignment"].fillna("none").tolist() == ["none", *["centre"] * 4]
    network = load_network("inc_tssdnet", path)
    single, double = geometry(network, **QUICK), geometry(network.double(), **QUICK)
    for measure in ("A", "A_nonzero", "B", "rank"):
        np.testing.assert_allclose(single[measure], double[measure], rtol=1e-9)  # A does not depend on rounding


def test_trained_blocks_leave_the_null_and_the_first_layer_does_not(shared_data: Path) -> None:
    table = geometry(shared_data / CHECKPOINT, network="inc_tssdnet", gap=False).set_index("layer")
    assert table.loc["conv1", "beyond_null"] == ""
    assert table.loc["DCM4", "beyond_null"] == "B, beta_avg, mu, mu_avg"
    # Twenty fresh networks, measured elsewhere: B and mu_avg, mean and standard deviation.
    elsewhere = {"conv1": (4.717, 0.511, 0.727, 0.031), "DCM2": (2.628, 0.114, 0.224, 0.0056)}
    for layer, (b, b_sd, mu_avg, mu_avg_sd) in elsewhere.items():
        assert abs(table.loc[layer, "B_null"] - b) < 4 * b_sd * math.sqrt(2 / 20)
        assert abs(table.loc[layer, "mu_avg_null"] - mu_avg) < 4 * mu_avg_sd * math.sqrt(2 / 20)


def test_fresh_networks_lie_within_the_null() -> None:
    torch.manual_seed(0)
    table = geometry(build_network("multi-resolution", 5, head="pooled"), gap=False)
    assert table["layer"].tolist() == ["layer1", "layer2", "layer3"]
    assert (table["N"].tolist(), table["K"].tolist()) == ([500, 960, 720], [80, 80, 100])
    assert table["branches"].tolist() == [8, 4, 4]
    assert (table[["B_z", "beta_avg_z", "mu_z", "mu_avg_z"]].abs() < 4).all(axis=None)
    assert table["A_z"].isna().all()  # fewer filters than dimensions: 0 for every weight of this shape


def test_null_of_large_layers_is_drawn_from_the_same_law() -> None:
    generator = np.random.default_rng(0)
    short, long = [], []
    for _ in range(60):
        short.append(_wishart(200, 12, generator))
        long.append(spectrum_of(generator.standard_normal((200, 12))))
    for take in (lambda s: s.eigenvalues.max(), lambda s: np.abs(s.gram - np.eye(12)).max()):
        one, other = np.array([take(s) for s in short]), np.array([take(s) for s in long])
        error = math.sqrt((one.var() + other.var()) / 60)
        assert abs(one.mean() - other.mean()) < 4 * error
    for spectrum in short:
        np.testing.assert_allclose(np.diag(spectrum.gram), 1)
    law, draws = null_law((Kernel((512, 512, 3, 3), (1, 1)),), "left", 20, 0)
    assert draws >= 5
    assert law["B"][0] == pytest.approx((1 + math.sqrt(512 / 4608)) ** 2, rel=0.03)  # Marchenko–Pastur


def test_null_repeats_with_its_seed() -> None:
    kernels = (Kernel((8, 2, 5), (1,)),)
    assert null_law(kernels, "left", 6, 1) == null_law.__wrapped__(kernels, "left", 6, 1)
    assert null_law(kernels, "left", 6, 1)[0] != null_law(kernels, "left", 6, 2)[0]


def test_dilated_kernels_are_spread_and_aligned() -> None:
    weights = [np.array([[[1.0, 2.0, 3.0]]]), np.array([[[4.0, 5.0, 6.0]]])]
    kernels = [Kernel((1, 1, 3), (1,)), Kernel((1, 1, 3), (3,))]
    (left,) = assemble(weights, kernels, "left")
    (centre,) = assemble(weights, kernels, "centre")
    np.testing.assert_array_equal(left.T, [[1, 2, 3, 0, 0, 0, 0], [4, 0, 0, 5, 0, 0, 6]])
    np.testing.assert_array_equal(centre.T, [[0, 0, 1, 2, 3, 0, 0], [4, 0, 0, 5, 0, 0, 6]])
    with pytest.raises(ClassifierError, match="choose one of left, centre"):
        assemble(weights, kernels, "right")


def test_column_of_a_filter_is_what_it_is_multiplied_with() -> None:
    convolution = nn.Conv2d(3, 4, (2, 3), dilation=(2, 1), bias=False).double()
    patch = torch.randn(1, 3, 3, 3, dtype=torch.float64)
    kernel = Kernel(tuple(convolution.weight.shape), (2, 1))
    (dictionary,) = assemble([convolution.weight.detach().numpy()], [kernel])
    response = convolution(patch).detach().numpy().ravel()
    np.testing.assert_allclose(dictionary.T @ patch.numpy().ravel(), response)


@pytest.mark.parametrize(
    ("module", "shapes"),
    [
        (nn.Conv1d(2, 6, 5), [(10, 6)]),
        (nn.Conv2d(3, 8, (2, 3)), [(18, 8)]),
        (nn.Conv3d(2, 3, 2), [(16, 3)]),
        (nn.Conv1d(4, 8, 3, groups=2), [(12, 8)]),
        (nn.Conv1d(3, 5, 3, dilation=4), [(27, 5)]),
        (nn.ConvTranspose1d(4, 6, 3), [(12, 6)]),
        (nn.ConvTranspose1d(4, 6, 3, groups=2), [(12, 6)]),
        (nn.Linear(7, 4), [(7, 4)]),
        (nn.GRU(3, 5, num_layers=2), [(3, 15), (5, 15), (5, 15), (5, 15)]),
        (nn.LSTM(3, 4, bidirectional=True), [(3, 16), (4, 16)] * 2),
        (nn.LSTMCell(3, 4), [(3, 16), (4, 16)]),
        (nn.MultiheadAttention(8, 2), [(8, 24), (8, 8)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_weight_is_a_dictionary(module: nn.Module, shapes: list[tuple[int, int]]) -> None:
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
    table = geometry(nn.Sequential(nn.Identity(), module), **QUICK)
    assert list(zip(table["N"], table["K"], strict=True)) == shapes
    assert table.attrs["left_out"] == []
    assert (table["layer"].str.startswith("1")).all()


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_are_a_block_diagonal_dictionary(groups: int) -> None:
    module = nn.Conv1d(4, 8, 5, groups=groups)
    weights = module.weight.detach().double().reshape(groups, 8 // groups, -1).numpy()
    whole = dictionary_measures(block_diag(*(w.T for w in weights)))
    row = geometry(module, **QUICK).iloc[0]
    for measure in ("N", "K", "A", "A_nonzero", "B", "mu", "mu_avg", "beta_avg"):
        assert row[measure] == pytest.approx(whole[measure], abs=1e-6), measure


def test_transposed_convolution_lists_output_filters() -> None:
    module = nn.ConvTranspose1d(4, 6, 3, groups=2)
    w = module.weight.detach().double().numpy()  # (channels, filters of a group, taps)
    blocks = [w[:2].transpose(0, 2, 1).reshape(-1, 3), w[2:].transpose(0, 2, 1).reshape(-1, 3)]
    assert geometry(module, **QUICK).loc[0, "B"] == pytest.approx(dictionary_measures(blocks)["B"], abs=1e-6)


class Inception(nn.Module):
    """Parallel branches, a block inside a residual connection, a layer that never runs, an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(3, 3)
        self.late = nn.Conv1d(6, 6, 3, padding=1)
        self.a = nn.Conv1d(1, 3, 3, padding=1)
        self.b = nn.Conv1d(1, 3, 7, padding=3)
        self.depth = nn.Conv1d(6, 6, 5, padding=2, groups=6)
        self.words = nn.Embedding(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([torch.relu(self.a(x)), self.b(x).tanh()], 1)
        return self.depth(x + self.late(x))


def test_traced_network_gives_order_blocks_and_residuals() -> None:
    table = geometry(Inception(), **QUICK)
    assert table["layer"].tolist() == ["unused", "a+b", "late", "depth"]
    assert table.set_index("layer")["residual"].to_dict() == {
        "unused": False,
        "a+b": False,
        "late": True,
        "depth": False,
    }
    assert table.set_index("layer").loc["a+b", "N"] == 7
    assert table.attrs["left_out"][0]["examples"] == ["words.weight (5, 4)"]
    apart = geometry(Inception(), blocks={}, **QUICK)
    assert apart["layer"].tolist() == ["unused", "a", "b", "late", "depth"]
    named = geometry(Inception(), blocks={"front": ["b", "a"]}, layers=["front"], **QUICK)
    assert named["layer"].tolist() == ["front"]
    assert named.attrs["left_out"][-1]["count"] == 3
    with pytest.raises(ClassifierError, match=r"asks for layers \['c'\]; there are: unused"):
        geometry(Inception(), blocks={"front": ["c"]}, **QUICK)
    with pytest.raises(ClassifierError, match="not have the same number of input channels"):
        geometry(Inception(), blocks={"front": ["a", "late"]}, **QUICK)


def test_residual_layers_of_the_residual_network() -> None:
    table = geometry(build_network("res_tssdnet", 2), **QUICK)
    marked = table.loc[table["residual"], "layer"].tolist()
    assert marked == [f"RSM{i}.{name}" for i in (1, 2, 3, 4) for name in ("nin", "conv3")]
    assert table["layer"].iloc[0] == "conv1"
    assert len(table) == 17
    resnet = geometry(build_network("resnet18", 3), layers=["layer2"], **QUICK)
    assert set(resnet.loc[resnet["residual"], "layer"]) == {
        "layer2.0.conv2",
        "layer2.0.downsample.0",
        "layer2.1.conv2",
    }


def test_layers_can_be_chosen() -> None:
    network = build_network("inc_tssdnet", 2)
    assert len(geometry(network, layers="all", **QUICK)) == 8
    assert geometry(network, layers=["DCM2", "fc1"], **QUICK)["layer"].tolist() == ["DCM2", "fc1"]
    with pytest.raises(ClassifierError, match="there is no layer 'DCM9' to measure; there are: conv1, DCM1"):
        geometry(network, layers=["DCM9"], **QUICK)


class Cosines(nn.Module):
    """Filters that are a function of frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.tensor([0.05, 0.11, 0.2]))

    def filters(self) -> Tensor:
        return torch.cos(2 * torch.pi * self.frequency[:, None, None] * torch.arange(21))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.filters())


def test_computed_filters_and_weight_norm_are_measured_as_used() -> None:
    network = nn.Sequential(Cosines(), nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3), dim=2))
    with torch.no_grad():
        network[1].parametrizations.weight.original0.uniform_(0.1, 3)
    table = geometry(network, **QUICK)
    assert table["layer"].tolist() == ["0", "1"]
    for row, weight in enumerate((network[0].filters(), network[1].weight)):
        expected = dictionary_measures(weight.detach().double().flatten(1).T.numpy())
        assert table.loc[row, "B"] == pytest.approx(expected["B"], rel=1e-6)
    stored = geometry(network.state_dict(), **QUICK)
    assert stored["layer"].tolist() == ["1"]
    assert stored.loc[0, "B"] == pytest.approx(table.loc[1, "B"], rel=1e-6)


def test_weights_without_their_network() -> None:
    network = nn.Sequential(nn.Conv1d(1, 4, 5), nn.BatchNorm1d(4), nn.GRU(4, 3))
    table = geometry(network.state_dict(), **QUICK)
    assert table["layer"].tolist() == ["0", "2.weight_ih_l0", "2.weight_hh_l0"]
    assert table["kind"].tolist() == ["convolution", "recurrent", "recurrent"]
    assert table["residual"].isna().all()
    assert "not known" in table.attrs["notes"][0]
    given = geometry(network.state_dict(), network=nn.Sequential(nn.Conv1d(1, 4, 5), nn.BatchNorm1d(4), nn.GRU(4, 3)))
    np.testing.assert_allclose(given["B"], table["B"])


def test_networks_that_cannot_be_run_are_measured_all_the_same() -> None:
    table = geometry(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4)), **QUICK)
    assert table["layer"].tolist() == ["0", "1"]
    assert "could not be followed" in table.attrs["notes"][0]
    assert table["residual"].isna().all()
    with pytest.raises(ClassifierError, match="does not take an input"):
        geometry(nn.Linear(3, 5), example=torch.zeros(1, 4), **QUICK)


def test_classifiers_and_their_folders(tmp_path: Path) -> None:
    classifier = Classifier.build(Waveform(8000, 0.5), "sub-segmental", ["a", "b"], head="pooled")
    classifier.save_pretrained(tmp_path)
    one, other = geometry(classifier, **QUICK), geometry(tmp_path, **QUICK)
    assert one["layer"].tolist() == ["layer1", "layer2", "layer3"]
    pd.testing.assert_frame_equal(one, other)


def test_network_is_left_as_it_was() -> None:
    network = build_network("inc_tssdnet", 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    geometry(network)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_diverged_weights_and_strange_sources_are_answered(tmp_path: Path) -> None:
    network = nn.Conv1d(1, 4, 5)
    with torch.no_grad():
        network.weight[0] = math.nan
    with pytest.raises(ClassifierError, match="layer network hold values that are not finite"):
        geometry(network)
    with pytest.raises(ClassifierError, match="cannot measure a int"):
        geometry(3)  # ty: ignore[invalid-argument-type]
    with pytest.raises(ClassifierError, match="alignment 'top'"):
        geometry(nn.Linear(2, 2), alignment="top")
    with pytest.raises(ClassifierError, match="no checkpoint at"):
        geometry(tmp_path / "none.pth")


def test_checkpoints_are_compared(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = build_network("inc_tssdnet", 2), build_network("inc_tssdnet", 2)
    table = compare_geometry({"epoch 1": first, "epoch 2": second}, **QUICK)
    assert table["checkpoint"].tolist() == ["epoch 1"] * 5 + ["epoch 2"] * 5
    assert (table.loc[:4, "mu_change"] == 0).all()
    np.testing.assert_allclose(
        table.loc[5:, "mu_change"].to_numpy(), table["mu"].to_numpy()[5:] - table["mu"].to_numpy()[:5]
    )
    for name, network in (("one", first), ("two", second)):
        torch.save(network.state_dict(), tmp_path / f"{name}.pth")
    paths = [str(tmp_path / "one.pth"), str(tmp_path / "two.pth")]
    out, figure = tmp_path / "table.csv", tmp_path / "layers.png"
    options = ["--network", "inc_tssdnet", "--null-draws", "5", "--out", str(out), "--figure", str(figure)]
    result = CliRunner().invoke(app, ["geometry", *paths, *options])
    assert result.exit_code == 0, result.output
    assert "one: conv1" in result.stdout
    changes = result.stdout.split("Change from one\n")[1].splitlines()[1:6]
    assert [line.split()[:2] for line in changes] == [["two:", name] for name in table["layer"][:5]]
    printed = [float(line.split()[-2]) for line in changes]
    np.testing.assert_allclose(printed, table.loc[5:, "mu_change"], atol=6e-5)
    assert result.stdout.splitlines()[-2:] == [f"wrote {out}", f"wrote {figure}"]
    read = pd.read_csv(out)
    assert read["checkpoint"].tolist() == ["one"] * 5 + ["two"] * 5
    assert len(json.loads(read.loc[0, "babel"])) == 15
    assert figure.stat().st_size > 5_000


def test_tables_are_written_and_read(tmp_path: Path) -> None:
    table = geometry(nn.Conv1d(1, 4, 5), null_draws=5)
    write_table(tmp_path / "t.parquet", table)
    read = pd.read_parquet(tmp_path / "t.parquet")
    np.testing.assert_allclose(read["B"], table["B"])
    assert read.attrs["settings"] == table.attrs["settings"]
    (row,) = records(table)
    assert len(row["babel"]) == 3
    assert json.loads(json.dumps(row))["layer"] == "network"
    with pytest.raises(ClassifierError, match=r"must be \.csv or \.parquet"):
        write_table(tmp_path / "t.xlsx", table)


def test_text_names_what_was_left_out() -> None:
    text = describe(geometry(build_network("inc_tssdnet", 2), null_draws=5))
    assert "left out: 3 layers, not among the layers asked for: fc1, fc2, out" in text
    assert "Random weights of the same shape" in text


def test_figure_shows_the_table() -> None:
    table = geometry(build_network("res_tssdnet", 2), null_draws=5, gap=False)
    figure = layer_figure(table)
    assert [axes.get_ylabel() for axes in figure.axes] == ["μ", "μ_avg", "B"]
    for axes, measure in zip(figure.axes, ("mu", "mu_avg", "B"), strict=True):
        line, circles = axes.get_lines()
        np.testing.assert_allclose(line.get_ydata(), table[measure])
        np.testing.assert_allclose(circles.get_ydata(), table.loc[table["residual"], measure])
        (band,) = axes.collections
        heights = band.get_paths()[0].vertices[:, 1]
        low = table[f"{measure}_null"] - 2 * table[f"{measure}_null_sd"]
        assert heights.min() == pytest.approx(low.min())
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == table["layer"].tolist()


def test_the_public_function_has_a_signature() -> None:
    import inspect

    import phonoscope as ps

    assert ps.geometry is geometry
    assert "layers" in inspect.signature(ps.geometry).parameters
    np.testing.assert_allclose(ps.geometry(nn.Conv1d(1, 2, 3), **QUICK).loc[0, "N"], 3)
