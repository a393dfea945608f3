"""SpecAugment on given draws."""

from parity.commands.mutants.mutant import Mutant

_WARP = (
    "            ratio = self.time_warp_max_ratio\n"
    "            warp = _sa.warp_matrix(draws.warp_shift, draws.warp_origin, frames, ratio)\n"
    "            outputs = product(warp, outputs)\n"
)

MUTANTS = [
    Mutant(
        "mask with its end",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        "(n < (start + length)[..., None])",
        "(n <= (start + length)[..., None])",
    ),
    Mutant(
        "masks as long as the maximum",
        "an inclusive draw; trap 13",
        "spec_augment",
        "_ops/spec_augment.py",
        "length = (lengths * max_length)",
        "length = (lengths * (max_length + 1))",
    ),
    Mutant(
        "masks that never reach the end",
        "slip; trap 13",
        "spec_augment",
        "_ops/spec_augment.py",
        "(starts * (size - length + 1)",
        "(starts * (size - length)",
    ),
    Mutant(
        "masks of no frame in short clips",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        "most = max(_part(max_ratio, size), 1)",
        "most = _part(max_ratio, size)",
    ),
    Mutant(
        "masks added up instead of joined",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        "(~inside.any(dim=1))",
        "(~inside.all(dim=1))",
    ),
    Mutant(
        "warp to the other side",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        "destination = (anchor + shift)",
        "destination = (anchor - shift)",
    ),
    Mutant(
        "warp by the inverse map",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        "slope_0 = (anchor / destination)[:, None]",
        "slope_0 = (destination / anchor)[:, None]",
    ),
    Mutant(
        "warp from frame 0",
        "slip",
        "spec_augment",
        "_ops/spec_augment.py",
        ".to(torch.int32).to(origin.dtype) + 1",
        ".to(torch.int32).to(origin.dtype)",
    ),
    Mutant(
        "warp after the masks",
        "slip",
        "spec_augment",
        "postprocessing.py",
        _WARP,
        _WARP.replace("            outputs = product(warp, outputs)\n", "")
        + "            longest, ratio = self.time_mask_max_frames, self.time_mask_max_ratio\n"
        "            masked = longest and self.time_mask_count and ratio > 0\n"
        "            if masked:\n"
        "                drawn = draws.time_lengths, draws.time_starts\n"
        "                outputs = outputs * _sa.mask(*drawn, frames, longest, ratio)[:, :, None]\n"
        "            outputs = product(warp, outputs)\n"
        "            if masked:\n"
        "                draws = draws._replace(time_lengths=0 * draws.time_lengths)\n",
    ),
    Mutant(
        "lengths and starts of the time masks swapped",
        "the order of the draws; trap 13",
        "spec_augment",
        "postprocessing.py",
        "_sa.mask(draws.time_lengths, draws.time_starts, frames",
        "_sa.mask(draws.time_starts, draws.time_lengths, frames",
    ),
    Mutant(
        "lengths and starts of the frequency masks swapped",
        "the order of the draws; trap 13",
        "spec_augment",
        "postprocessing.py",
        "draws.freq_lengths, draws.freq_starts, channels",
        "draws.freq_starts, draws.freq_lengths, channels",
    ),
]
