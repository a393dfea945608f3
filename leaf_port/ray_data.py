"""Features of corpora that one machine cannot hold: with Ray Data, on a cluster.

``pip install "leaf-port[ray]"``. Ray is not imported here: it calls what is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from leaf_port import _checks, frontend, models, pretrained
from leaf_port.errors import LeafError

_OWNER = "FeatureExtractor"
_NAMES: dict[str, Any] = {
    "leaf": frontend.Leaf,
    "tfbanks": frontend.TimeDomainFilterbanks,
    "sincnet": frontend.SincNet,
    "sincnet_plus": frontend.SincNetPlus,
    "mel": frontend.MelFilterbanks,
}
_FOLDERS: dict[str, Any] = {
    "Leaf": frontend.Leaf,
    "TimeDomainFilterbanks": frontend.TimeDomainFilterbanks,
    "SincNet": frontend.SincNet,
    "SincNetPlus": frontend.SincNetPlus,
    "MelFilterbanks": frontend.MelFilterbanks,
    "AudioClassifier": models.AudioClassifier,
}

Batch = dict[str, npt.NDArray[Any]]


class FeatureExtractor:
    """Maps batches of waveforms to features; for ``ray.data.Dataset.map_batches``.

    Ray builds it once in each actor. Each row is what its waveform alone gives: waveforms of
    several lengths are padded and go through ``frontend(waveforms, lengths=lengths)``.

    Args:
        frontend: ``"leaf"``, ``"tfbanks"``, ``"sincnet"``, ``"sincnet_plus"`` or ``"mel"``, at its
            initial weights; or the folder of a frontend or classifier, see
            ``Leaf.from_pretrained``.
        sample_rate: of the waveforms, in Hz. A folder's must be this one, if it is given.
        waveforms: the column that holds them, ``(samples,)`` each, full scale 1.
        features: the column for the features, ``(frames, filters)`` each, float32.
        device: where they are computed.
        **arguments: of the class' ``for_sample_rate``, such as ``n_filters``; none for a folder.

    Raises:
        LeafError: an unknown frontend, a model without one, another sample rate, arguments beside
            a folder.

    Example:
        >>> import numpy as np
        >>> extractor = FeatureExtractor("mel", sample_rate=8000, n_filters=4)
        >>> batch = extractor({"audio": np.zeros((2, 800), dtype=np.float32)})
        >>> print(batch["features"].shape)  # 0.1 s, a frame every 10 ms
        (2, 10, 4)

        On a cluster::

            dataset.map_batches(
                FeatureExtractor,
                fn_constructor_kwargs={"frontend": "leaf", "sample_rate": 16000},
                batch_size=32,
                concurrency=8,
            )
    """

    def __init__(
        self,
        frontend: str | Path = "leaf",
        sample_rate: int | None = None,
        waveforms: str = "audio",
        features: str = "features",
        device: str = "cpu",
        **arguments: Any,
    ) -> None:
        self.waveforms, self.features, self.device = waveforms, features, torch.device(device)
        built = _built(frontend, sample_rate, arguments)
        self.frontend = built.to(self.device).eval()

    def __call__(self, batch: Batch) -> Batch:
        """A batch with the features beside what it held.

        Raises:
            LeafError: no such column, or waveforms that the frontend refuses.
        """
        if self.waveforms not in batch:
            got, fix = ", ".join(sorted(batch)), "give its name as waveforms"
            raise LeafError(_OWNER, "batch", f"a column {self.waveforms!r}", got, fix)
        clips = [_clip(each) for each in batch[self.waveforms]]
        return {**batch, self.features: _column(self._features(clips))}

    @torch.inference_mode()
    def _features(self, clips: list[torch.Tensor]) -> list[npt.NDArray[np.float32]]:
        if not clips:
            return []
        lengths = [len(clip) for clip in clips]
        if isinstance(self.frontend, frontend.MelFilterbanks):  # it takes no lengths
            made = [self.frontend(clip[None].to(self.device))[0] for clip in clips]
            return [each.cpu().numpy() for each in made]
        padded = nn.utils.rnn.pad_sequence(clips, batch_first=True).to(self.device)
        frames = self.frontend.frames(lengths).tolist()
        made = self.frontend(padded, lengths=lengths).cpu().numpy()
        return [each[:count] for each, count in zip(made, frames, strict=True)]


def _clip(values: Any) -> torch.Tensor:
    samples = np.asarray(values)
    if samples.ndim != 1 or not len(samples) or samples.dtype not in (np.float32, np.float64):
        got = f"{samples.dtype} of shape {samples.shape}"
        fix = "divide 16-bit samples by 32767, and mix channels, first"
        raise LeafError(_OWNER, "waveforms", "floats of shape (samples,), one at least", got, fix)
    return torch.from_numpy(np.array(samples, dtype=np.float32))  # Ray's arrays are not writable


def _column(rows: list[npt.NDArray[np.float32]]) -> npt.NDArray[Any]:
    """One array; of arrays, where their lengths differ."""
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    column = np.empty(len(rows), dtype=object)
    column[:] = rows
    return column


def _built(given: str | Path, sample_rate: int | None, arguments: dict[str, Any]) -> Any:
    if isinstance(given, str) and given in _NAMES:
        if sample_rate is None:
            fix = "give the sample rate of the waveforms"
            raise LeafError(_OWNER, "sample_rate", "a number in Hz", "none", fix)
        _checks.at_least(_OWNER, "sample_rate", sample_rate)
        return _NAMES[given].for_sample_rate(sample_rate, **arguments)
    folder = Path(given)
    if not folder.is_dir():
        expected = f"a folder, or one of {', '.join(_NAMES)}"
        fix = "check the name; every node must see the folder"
        raise LeafError(_OWNER, "frontend", expected, repr(str(given)), fix)
    if arguments:
        got, fix = ", ".join(sorted(arguments)), "leave them out: the folder tells them"
        raise LeafError(_OWNER, "arguments", "none beside a folder", got, fix)
    built = _of_folder(folder)
    if sample_rate not in (None, built.sample_rate):
        expected = f"{built.sample_rate} Hz, as the weights are for"
        fix = "resample the waveforms"
        raise LeafError(_OWNER, "sample_rate", expected, f"{sample_rate} Hz", fix)
    return built


def _of_folder(folder: Path) -> Any:
    kind = pretrained.read_config(folder)["kind"]
    if kind not in _FOLDERS:
        expected = f"a model of kind {', '.join(_FOLDERS)}"
        raise LeafError(_OWNER, "frontend", expected, kind, "give the folder of a frontend")
    model = _FOLDERS[kind].from_pretrained(folder)
    found = model.frontend if isinstance(model, models.AudioClassifier) else model
    if found is None:
        fix = "its input is the waveform: it has no features"
        raise LeafError(_OWNER, "frontend", "a model with a frontend", str(folder), fix)
    return found
