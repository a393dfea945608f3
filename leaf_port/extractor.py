"""A feature extractor with Hugging Face's names and dictionary, for their datasets and loops.

It is no class of transformers, which is not needed. Its names and its results are those of
``transformers.SequenceFeatureExtractor`` where this extractor has them.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections import UserDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaf_port import _hub, _publish, _registry, _saving, _stored, pretrained
from leaf_port._lengths import by_length, inside
from leaf_port._model_folder import EXTRACTOR, PREPROCESSOR, preprocessor
from leaf_port._responses import frontend_of
from leaf_port._same import difference, same_state
from leaf_port.errors import LeafError
from leaf_port.frontend import Leaf, MelFilterbanks
from leaf_port.models import AudioClassifier

Clip: TypeAlias = "npt.NDArray[np.floating[Any]] | Tensor | Sequence[float]"
Speech: TypeAlias = "Clip | Sequence[Clip]"

_PADDINGS = {True: True, "longest": True, False: False, "do_not_pad": False}
_LARGEST = 1 << 20


class Features(UserDict[str, Any]):
    """The arrays by name, which are attributes too; as ``transformers.BatchFeature``."""

    def __getattr__(self, name: str) -> Any:
        if name == "data" or name not in self.data:  # "data" is not there while it is unpickled
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.data[name]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves the tensors to a device, and casts those of features to a dtype; returns itself.

        Args:
            *args: of :meth:`torch.Tensor.to`.
            **kwargs: the same.

        Raises:
            LeafError: an entry that is no tensor.
        """
        self.data = {name: _moved(name, value, args, kwargs) for name, value in self.data.items()}
        return self


def _moved(name: str, value: Any, args: Any, kwargs: Any) -> Tensor:
    if not isinstance(value, Tensor):
        got, fix = type(value).__name__, 'call the extractor with return_tensors="pt"'
        raise LeafError("Features.to", name, "a tensor", got, fix)
    if value.is_floating_point():
        return value.to(*args, **kwargs)
    return value.to(value.new_empty(0, dtype=torch.float32).to(*args, **kwargs).device)


class LeafFeatureExtractor:
    """Features of waveforms by a frontend, under the names of transformers' feature extractors.

    The extractor has a copy of the frontend as it is now, in evaluation mode; no gradients are
    computed. To train the frontend too, give the model the waveforms.

    Args:
        frontend: a :class:`~leaf_port.Leaf`, another frontend of this package, or
            :class:`~leaf_port.MelFilterbanks`.

    Attributes:
        frontend: the copy.
        sampling_rate: of the waveforms, in Hz.
        feature_size: number of filters.

    Raises:
        LeafError: something else.

    Example:
        >>> import numpy as np
        >>> from leaf_port import Leaf
        >>> feature_extractor = LeafFeatureExtractor(Leaf(n_filters=8))
        >>> clips = [np.zeros(1600), np.zeros(800)]  # 0.1 s and 0.05 s
        >>> inputs = feature_extractor(clips, sampling_rate=16000, return_tensors="pt")
        >>> inputs["input_values"].shape
        torch.Size([2, 10, 8])
        >>> print(inputs.attention_mask.sum(1).tolist() == [10, 5])
        True
    """

    model_input_names = ("input_values", "attention_mask")
    padding_value = 0.0
    return_attention_mask = True

    def __init__(self, frontend: nn.Module) -> None:
        known = frontend_of(EXTRACTOR, frontend)
        self.frontend: Any = copy.deepcopy(known).eval()
        self.sampling_rate: int = known.sample_rate
        self.feature_size: int = known.n_filters
        like = next(itertools.chain(self.frontend.parameters(), self.frontend.buffers()))
        self._device, self._dtype = like.device, like.dtype

    def __repr__(self) -> str:
        return f"{EXTRACTOR} {self._text()}"

    def _text(self) -> str:
        return preprocessor(self.sampling_rate, self.feature_size)

    @torch.no_grad()  # inference_mode gives tensors that no model can be trained on
    def __call__(
        self,
        raw_speech: Speech,
        sampling_rate: int | None = None,
        padding: bool | str = True,
        return_tensors: str | None = None,
        return_attention_mask: bool | None = None,
        device: str | torch.device | None = None,
    ) -> Features:
        """Features of a clip or of several; each row is what its clip alone gives.

        Args:
            raw_speech: one clip, ``(samples,)``: an array or tensor of float32 or float64, or a
                list of floats; or a list of clips; or ``(batch, samples)``. Full scale is 1.
            sampling_rate: of the clips, in Hz. It is compared with the frontend's; nothing is
                resampled.
            padding: whether features are padded with zeros to the frames of the longest clip
                (``True`` or ``"longest"``), or not (``False`` or ``"do_not_pad"``).
            return_tensors: ``"pt"`` for tensors, ``"np"`` for arrays, None for lists of arrays.
            return_attention_mask: whether to return the mask; by default it is.
            device: where the features are computed, and where tensors stay; by default where the
                frontend was.

        Returns:
            ``input_values``, ``(batch, frames, filters)``, in the frontend's precision, and
            ``attention_mask``, ``(batch, frames)``, int32: 1 for frames of the clip, 0 for padding.

        Raises:
            LeafError: no ``sampling_rate`` or another one, clips that are no floats, empty or of
                several channels, features of several lengths that were to be one array without
                padding, or what the frontend refuses.
        """
        self._check_rate(sampling_rate)
        if padding not in _PADDINGS:
            fix = "cut or pad the waveforms yourself for a fixed length"
            expected = "True, False, 'longest' or 'do_not_pad'"
            raise LeafError(EXTRACTOR, "padding", expected, repr(padding), fix)
        if return_tensors not in ("pt", "np", None):
            got, fix = repr(return_tensors), "convert the arrays of 'np' yourself"
            raise LeafError(EXTRACTOR, "return_tensors", "'pt', 'np' or None", got, fix)
        where = self._device if device is None else torch.device(device)
        clips = [each.to(where, self._dtype) for each in _clips(raw_speech)]
        values, frames = self._features(clips, where)
        masks = inside(frames, values[..., 0]).int()
        wanted = (
            self.return_attention_mask
            if return_attention_mask is None
            else bool(return_attention_mask)
        )
        made = {"input_values": values, "attention_mask": masks}
        if not wanted:
            del made["attention_mask"]
        rows = None if _PADDINGS[padding] else frames
        return Features({k: _returned(each, rows, return_tensors) for k, each in made.items()})

    def _check_rate(self, sampling_rate: int | None) -> None:
        if sampling_rate != self.sampling_rate:
            got = "none" if sampling_rate is None else f"{sampling_rate!r} Hz"
            fix = "give that of the clips" if sampling_rate is None else "resample the clips"
            expected = f"{self.sampling_rate} Hz, as the frontend has"
            raise LeafError(EXTRACTOR, "sampling_rate", expected, got, fix)

    def _features(self, clips: list[Tensor], device: torch.device) -> tuple[Tensor, list[int]]:
        """``(batch, frames, filters)``, zero behind the frames of each clip, which come second."""
        frontend, lengths = self.frontend.to(device), [len(clip) for clip in clips]
        padded = nn.utils.rnn.pad_sequence(clips, batch_first=True)
        if isinstance(frontend, MelFilterbanks):  # it takes no lengths
            stride = frontend.window_stride
            return by_length(frontend, padded, lengths), [-(-each // stride) for each in lengths]
        return frontend(padded, lengths=lengths), frontend.frames(lengths).tolist()

    def save_pretrained(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes ``preprocessor_config.json`` and, where there is none, the frontend's folder.

        In the folder of the same frontend, or of a classifier with it, the file is added. Elsewhere
        the folder is made, as :meth:`Leaf.save_pretrained` makes it.

        Args:
            folder: of the frontend; the folder above it must exist.
            overwrite: whether another model's folder, unchanged since it was written, or another
                ``preprocessor_config.json`` is replaced.

        Raises:
            LeafError: a folder of another model, or what :meth:`Leaf.save_pretrained` refuses.
        """
        place = Path(folder)
        if self._is_of(place):
            self._add_to(place, overwrite)
            return
        load = type(self.frontend).from_pretrained
        _saving.save(self.frontend, place, overwrite, load, others={PREPROCESSOR: self._text()})

    def _is_of(self, place: Path) -> bool:
        """Whether a folder's model has this very frontend."""
        try:
            found = _frontend_in(place)
        except LeafError:
            return False
        return not difference(self.frontend, found) and same_state(self.frontend, found)

    def _add_to(self, place: Path, overwrite: bool) -> None:
        path, text = place / PREPROCESSOR, self._text()
        try:
            if os.path.lexists(path) and not overwrite:
                if path.read_bytes() == text.encode():
                    return
                fix = "give another folder, or overwrite=True to replace it"
                raise _refusal("save_pretrained", path, "none, or this extractor's", "another", fix)
            with _publish.new_file(path) as made:
                made.write_text(text, encoding="utf-8")
        except OSError as error:
            got, fix = error.strerror or error, "check the folder's permissions and the free space"
            raise _refusal("save_pretrained", path, "a place to write to", got, fix) from error

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """The extractor of a frontend's or a classifier's folder, or of one on the Hub.

        ``preprocessor_config.json`` may be missing: it says nothing that the frontend does not.

        Args:
            folder: of the model, or ``"owner/name"`` on the Hub.
            revision: branch, tag or commit on the Hub.
            cache_dir: where downloads are kept; the Hub's own cache by default.
            token: of the Hub, for private models; the stored one by default.
            local_files_only: whether only what was downloaded before may be taken.

        Raises:
            LeafError: what :meth:`Leaf.from_pretrained` refuses, a model without a frontend, or a
                ``preprocessor_config.json`` of something else.
        """
        hub = _hub.Hub(revision, cache_dir, token, local_files_only)
        place = hub.located(folder, PREPROCESSOR)
        made = cls(_frontend_in(place))
        _check_preprocessor(place, made._text())
        return made


def _frontend_in(place: Path) -> nn.Module:
    """The frontend of a folder's model."""
    kind = pretrained.read_config(place)["kind"]
    found = _registry.KINDS.get(kind)
    fix = "give the folder of a frontend, or of a classifier with one"
    expected = "a frontend, or a classifier with one"
    if not (isinstance(found, type) and issubclass(found, (Leaf, MelFilterbanks, AudioClassifier))):
        raise _refusal("from_pretrained", place, expected, kind, fix)
    model = found.from_pretrained(place)
    if not isinstance(model, AudioClassifier):
        return model
    if model.frontend is None:
        raise _refusal("from_pretrained", place, expected, "a classifier of waveforms", fix)
    return model.frontend


def _check_preprocessor(place: Path, text: str) -> None:
    """Refuses a ``preprocessor_config.json`` that says otherwise than the frontend."""
    path = place / PREPROCESSOR
    if not os.path.lexists(path):
        return
    fix = "remove it, or save the extractor again"
    data = _stored.read_together(place, [(PREPROCESSOR, _LARGEST)], fix)[0]
    expected = json.loads(text)
    try:
        found = json.loads(data.decode("utf-8"))
        told = {name: found.get(name) for name in expected}
    except (ValueError, RecursionError, AttributeError) as error:
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise _refusal("from_pretrained", path, "a JSON object", got, fix) from error
    for name, value in expected.items():
        if told[name] != value:
            wanted, got = f"{name} {value!r}, as the frontend has", f"{told[name]!r:.80}"
            raise _refusal("from_pretrained", path, wanted, got, fix)


def _clips(raw_speech: Any) -> list[Tensor]:
    """Each clip as a tensor ``(samples,)``."""
    batch = raw_speech
    if isinstance(raw_speech, (np.ndarray, Tensor)):
        batch = raw_speech if raw_speech.ndim > 1 else [raw_speech]
    elif not _holds_clips(raw_speech):
        batch = [raw_speech]
    clips = [_clip(each) for each in batch]
    if not clips:
        raise LeafError(EXTRACTOR, "raw_speech", "one clip at least", "none", "give a clip")
    return clips


def _holds_clips(given: Any) -> bool:
    listed = isinstance(given, (list, tuple)) and len(given) > 0
    return listed and isinstance(given[0], (list, tuple, np.ndarray, Tensor))


def _clip(values: Any) -> Tensor:
    try:
        found = values.detach() if isinstance(values, Tensor) else np.asarray(values)
    except ValueError as error:  # rows of several lengths
        raise _no_clip("lists of several lengths") from error
    kinds = (torch.float32, torch.float64, np.float32, np.float64)
    if found.ndim != 1 or not len(found) or found.dtype not in kinds:
        raise _no_clip(f"{found.dtype} of shape {tuple(found.shape)}")
    return found if isinstance(found, Tensor) else torch.from_numpy(found.copy())


def _no_clip(got: str) -> LeafError:
    expected = "floats of shape (samples,), one at least"
    fix = "divide 16-bit samples by 32767, and mix channels, first"
    return LeafError(EXTRACTOR, "raw_speech", expected, got, fix)


def _returned(values: Tensor, frames: list[int] | None, kind: str | None) -> Any:
    """``(batch, frames, ...)`` as it was asked for; its rows cut to ``frames`` where given."""
    if frames is not None and len(set(frames)) > 1 and kind is not None:
        fix = "give padding=True, or return_tensors=None for a list"
        got = f"{min(frames)} to {max(frames)} frames"
        raise LeafError(EXTRACTOR, "padding", "clips of one number of frames", got, fix)
    if kind == "pt":
        return values
    array = values.cpu().numpy()
    if kind == "np":
        return array
    return list(array) if frames is None else [a[:n] for a, n in zip(array, frames, strict=True)]


def _refusal(method: str, path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError(f"{EXTRACTOR}.{method}", str(path), expected, got, fix)
