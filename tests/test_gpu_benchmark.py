"""The benchmarks for a GPU run as a toy without one, and count right."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu():
    return import_module("benchmarks.gpu")


def test_without_a_gpu_it_is_said_that_one_lacks(gpu):
    with pytest.raises(import_module("benchmarks.measure").LackingError, match="no GPU"):
        next(gpu.measure(5))


def test_a_resnet_101_needs_what_is_known(gpu):
    """7.8·10⁹ multiplications with additions for three channels (He et al. 2016); the first layer has one here.

    Backward is twice forward, but for the first layer, whose input needs no gradient.
    """
    forward = 2 * (7.8e9 - 2 * 112**2 * 64 * 7**2)
    assert gpu.flops_per_token(gpu.Size()) == pytest.approx(3 * forward, rel=0.02)


def test_utilisation_is_what_is_needed_over_what_could_be_done(gpu):
    assert gpu.utilisation(2000.0, 1e11, 800.0) == ", 200 TFLOP/s, 25.0% of 800"
    assert gpu.utilisation(2000.0, 1e11, None).endswith("peak not known")
    assert gpu.peak_tflops("NVIDIA H100 PCIe") < gpu.peak_tflops("NVIDIA H100 80GB HBM3")
    assert gpu.peak_tflops("NVIDIA H200") == 989.0
    assert gpu.peak_tflops("a processor") is None


def test_the_paper_s_experiment_runs_as_a_toy(tmp_path, capsys):
    paper_scale, gpu = import_module("benchmarks.paper_scale"), import_module("benchmarks.gpu")
    assert paper_scale.main([str(tmp_path), "--rounds", "1", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "ITS BARS MEAN NOTHING" in said
    for what in (*gpu.BARS, "phonoscope train", "phonoscope explain", paper_scale.HEADLINE):
        assert what in said
    assert "130 of 200 tokens × 1 epochs" in said
    spent = (tmp_path / "costs.json").read_bytes()
    paper_scale.run_stages(tmp_path, paper_scale.TOY, 1, False)  # goes on: nothing is left to do
    assert (tmp_path / "costs.json").read_bytes() == spent
