"""Recordings as a map-style dataset: cropped or padded, loudness normalised, with their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from leaf_port.data import align, loudness_normalization
from leaf_port.errors import LeafError
from leaf_port.training.corpus import Corpus, Item
from leaf_port.training.draws import generator_of

Transform = Callable[[Tensor], Tensor]


class Clips(Dataset[tuple[Tensor, Tensor]]):
    """The clips of one split, as the official example prepares them (example/data.py).

    A clip is read (16-bit samples divided by 32767), cropped at random or padded with zeros to
    ``seq_len``, and its loudness normalised. Where the crop begins depends on the seed, the epoch
    and the clip alone.

    Args:
        corpus: the data set.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        sample_rate: in Hz, of every file; nothing is resampled.
        seq_len: length of an example, in samples; by default one second.
        seed: of the crops.
        loudness: whether to normalise the loudness.
        transform: what else is done to an example, ``(seq_len,)`` to the same.
        cache: whether to keep what was read in memory.

    Returns:
        Examples ``(waveform, label)``: float32 ``(seq_len,)``, and the index of the label, or where
        a clip has several, a float32 vector with ones at theirs. torch's default ``collate``
        batches them.

    Raises:
        LeafError: (when read) a file that is no mono audio, silent, of another rate or cut short.

    Example:
        >>> import tempfile, soundfile
        >>> from leaf_port.training import read_corpus
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for label in ("no", "yes"):
        ...         (Path(folder) / label).mkdir()
        ...         for i in range(20):
        ...             file = Path(folder) / label / f"{i}.wav"
        ...             soundfile.write(file, torch.randn(800).numpy(), 8000)
        ...     clips = Clips(read_corpus(Path(folder)), "train", 8000)
        ...     waveform, label = clips[0]
        >>> tuple(waveform.shape)
        (8000,)
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        sample_rate: int,
        seq_len: int | None = None,
        *,
        seed: int = 0,
        loudness: bool = True,
        transform: Transform | None = None,
        cache: bool = False,
    ) -> None:
        self.items: Sequence[Item] = corpus.splits[split]
        self.sample_rate = sample_rate
        self.seq_len = sample_rate if seq_len is None else seq_len
        self._folder, self._split, self._seed = corpus.folder, split, seed
        self._outputs = len(corpus.labels) if corpus.several else 0
        self._loudness, self._transform = loudness, transform
        self._kept: dict[int, Tensor] | None = {} if cache else None
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draws other crops than in other epochs."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        item = self.items[index]
        drawn = generator_of(self._seed, self._split, self._epoch, index)
        waveform = align(self.samples(index), self.seq_len, generator=drawn)
        if self._loudness:
            waveform = loudness_normalization(waveform)
        if self._transform is not None:
            waveform = self._transform(waveform)
        return waveform, self._label(item)

    def samples(self, index: int) -> Tensor:
        """The whole clip, as it was recorded."""
        if self._kept is not None and index in self._kept:
            return self._kept[index]
        found = read_samples(self._folder / self.items[index].file, self.sample_rate)
        if self._kept is not None:
            self._kept[index] = found
        return found

    def _label(self, item: Item) -> Tensor:
        if not self._outputs:
            return torch.tensor(item.labels[0])
        label = torch.zeros(self._outputs)
        label[list(item.labels)] = 1.0
        return label


def read_samples(path: Path, sample_rate: int | None) -> Tensor:
    """The samples of a file, ``(samples,)``.

    Raises:
        LeafError: no mono audio, silent, cut short, or of another rate.
    """
    from leaf_port._cli.audio import read_clip  # needs soundfile, which others do not

    clip = read_clip(path)
    if sample_rate is not None and clip.sample_rate != sample_rate:
        expected, fix = f"{sample_rate} Hz, as the other files", "resample it, or leave it out"
        raise LeafError("train", str(path), expected, f"{clip.sample_rate} Hz", fix)
    if not clip.samples.any():
        fix = "leave it out: nothing can be learned from it"
        raise LeafError("train", str(path), "a recording that is not silent", "zeros only", fix)
    return torch.from_numpy(clip.samples)
