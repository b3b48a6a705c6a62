"""Networks of a run of recordings, asked about sounds of any length: each hears the stretch that it was taught on."""

from __future__ import annotations

import torch
from torch import Tensor

from phonoscope.classifier import Classifier
from phonoscope.frontends import Waveform


class AroundEnergy(Waveform):
    """The waveform around the instant before which half of its energy lies.

    Input and output are those of ``Waveform``; the stretch is that of
    `phonoscope.tasks.recordings.material.around_energy`, computed so that gradients reach the sound.
    """

    def _centred(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        count, longest = waveforms.shape
        if lengths is None:
            lengths = torch.full((count,), longest, device=waveforms.device)
        lengths = lengths.to(waveforms.device)
        inside = torch.arange(longest, device=waveforms.device) < lengths[:, None]
        mean = (waveforms * inside).sum(1) / lengths.clamp_min(1)
        centred = (waveforms - mean[:, None]) * inside
        energy = centred.detach().double().square().cumsum(1)
        middle = (energy < energy[:, -1:] / 2).sum(1)
        index = torch.arange(self.samples, device=waveforms.device) + (middle - self.samples // 2)[:, None]
        there = (index >= 0) & (index < lengths[:, None])
        stretch = centred.gather(1, index.clamp(0, longest - 1)) * there
        return super()._centred(stretch, torch.full((count,), self.samples, device=waveforms.device))


def hearing_around_energy(classifier: Classifier) -> Classifier:
    """The classifier with a front end that finds the stretch in whole recordings.

    Parameters
    ----------
    classifier
        Of a run of recordings; its network is shared, not copied. One with another front end is given back as it is.
    """
    if type(classifier.front_end) is Waveform:
        front_end = AroundEnergy(**classifier.front_end.config())
        front_end.within(classifier.network)
        classifier.front_end = front_end
    return classifier
