"""Augmentation: frequency is never moved, time only as far as said, noise as large as said."""

import pytest
import torch

from phonoscope.training.augment import augment


def test_shifts_move_all_rows_of_a_token_alike_and_repeat_the_edge():
    torch.manual_seed(0)
    ramp = torch.arange(20.0).expand(200, 1, 6, 20)
    moved = augment(ramp, noise=0.0, time_jitter=0.15)
    shifts = moved[:, 0, 0, 10] - 10
    assert set(shifts.tolist()) == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}
    expected = (ramp[:, 0, 0] + shifts[:, None]).clamp(0, 19)
    assert torch.equal(moved, expected[:, None, None].expand_as(moved))


def test_rows_keep_their_frequency():
    torch.manual_seed(0)
    rows = torch.arange(6.0)[:, None].expand(30, 1, 6, 20)
    assert torch.equal(augment(rows, noise=0.0, time_jitter=0.2), rows)


def test_noise_has_the_size_asked_for_and_waveforms_are_shifted_too():
    torch.manual_seed(0)
    assert augment(torch.zeros(50, 1, 20, 20), noise=0.5, time_jitter=0.0).std() == pytest.approx(0.5, rel=0.05)
    wave = augment(torch.arange(100.0).expand(8, 1, 100), noise=0.0, time_jitter=0.1)
    assert wave.shape == (8, 1, 100)
    assert (wave.diff(dim=-1) <= 1).all()


def test_nothing_asked_nothing_done():
    x = torch.randn(3, 1, 4, 5)
    state = torch.get_rng_state()
    assert torch.equal(augment(x, noise=0.0, time_jitter=0.0), x)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_token_meets_the_same_draws_however_its_batch_is_shared_out():
    batch, settings = torch.randn(7, 1, 4, 40), {"noise": 0.3, "time_jitter": 0.2}
    torch.manual_seed(4)
    whole = augment(batch, **settings)
    for part in (slice(0, None, 2), slice(1, None, 2)):
        generator = torch.Generator().manual_seed(4)
        found = augment(batch[part], **settings, whole=7, part=part, generator=generator)
        assert torch.equal(found, whole[part])
