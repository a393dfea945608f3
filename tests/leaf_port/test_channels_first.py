"""ChannelsFirst: another layout, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from _layers import FRONTENDS, SAMPLES, call, clips, make, same_bits
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.export import Dim, export

import leaf_port as lp


@pytest.mark.parametrize("name", FRONTENDS)
def test_the_numbers_of_the_frontend(name: str) -> None:
    frontend, x = make(name), clips(2, SAMPLES)
    wrapped, expected = lp.ChannelsFirst(frontend), call(frontend, [x]).mT
    assert same_bits(call(wrapped, [x[:, None]]), expected)
    assert same_bits(call(wrapped, [x]), expected)
    alone = call(frontend, [x[:1]])[0].mT
    assert same_bits(call(wrapped, [x[0]]), alone)


def test_before_a_convolution() -> None:
    model = nn.Sequential(lp.ChannelsFirst(lp.Leaf()), nn.Conv1d(40, 8, kernel_size=3, padding=1))
    assert model(torch.zeros(2, 1, 16000)).shape == (2, 8, 100)
    assert model(torch.zeros(16000)).shape == (8, 100)
    model(clips(2, SAMPLES)[:, None]).sum().backward()
    assert model[0].frontend.complex_conv.kernel.grad is not None


def test_lengths_reach_the_frontend() -> None:
    leaf = lp.Leaf(n_filters=4).eval()
    x = clips(2, SAMPLES)
    with torch.no_grad():
        got = lp.ChannelsFirst(leaf)(x[:, None], lengths=[SAMPLES, 900])
        expected = leaf(x, lengths=[SAMPLES, 900])
    assert same_bits(got, expected.mT)


def test_float64_and_integers() -> None:
    wrapped = lp.ChannelsFirst(lp.Leaf(n_filters=4).double())
    assert wrapped(clips(1, SAMPLES).double()).dtype == torch.float64
    with pytest.raises(lp.LeafError, match="ChannelsFirst: inputs: expected float32 or float64"):
        wrapped(torch.zeros(1, 1, SAMPLES, dtype=torch.int16))


@pytest.mark.parametrize(
    "shape", [(2, 2, 800), (2, 800, 1), (1, 1, 1, 800), (2, 0, 800), ()], ids=str
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(lp.LeafError) as caught:
        lp.ChannelsFirst(lp.Leaf(n_filters=4))(torch.zeros(shape))
    assert (caught.value.owner, caught.value.argument) == ("ChannelsFirst", "inputs")


BUILT: list[tuple[str, Callable[[], object]]] = [
    ("ChannelsFirst", lambda: lp.ChannelsFirst(lp.Leaf)),  # type: ignore[arg-type]
    # Its map would have its axes exchanged.
    ("AudioClassifier", lambda: lp.AudioClassifier(2, lp.ChannelsFirst(lp.Leaf(n_filters=4)))),
]


@pytest.mark.parametrize(("owner", "act"), BUILT)
def test_refused_when_built(owner: str, act: Callable[[], object]) -> None:
    with pytest.raises(lp.LeafError) as caught:
        act()
    assert (caught.value.owner, caught.value.argument) == (owner, "frontend")


def test_a_folder(tmp_path: Path) -> None:
    made = lp.ChannelsFirst(lp.Leaf(n_filters=4)).eval()
    save_file(made.state_dict(), tmp_path / "model.safetensors")
    leaf = {"kind": "Leaf", "arguments": {"n_filters": 4}}
    tree = {"format_version": 1, "kind": "ChannelsFirst", "arguments": {"frontend": leaf}}
    (tmp_path / "config.json").write_text(json.dumps(tree))
    x = clips(2, SAMPLES)[:, None]
    assert same_bits(call(lp.ChannelsFirst.from_pretrained(tmp_path), [x]), call(made, [x]))


def test_exported_for_any_batch() -> None:
    wrapped = lp.ChannelsFirst(lp.Leaf(n_filters=4, compression_fn="log", arithmetic="real"))
    x = clips(3, SAMPLES)[:, None]
    program = export(wrapped, (x,), dynamic_shapes=({0: Dim("batch")},)).module()
    for batch in (1, 5):
        other: Tensor = clips(batch, SAMPLES)[:, None]
        torch.testing.assert_close(program(other), wrapped(other))


# torch's own, while a graph is captured.
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning")
def test_compiled() -> None:
    wrapped = lp.ChannelsFirst(lp.MelFilterbanks(n_filters=4, arithmetic="real"))
    torch._dynamo.reset()
    compiled = torch.compile(wrapped, fullgraph=True, backend="aot_eager")
    for x in (clips(2, SAMPLES)[:, None], clips(1, SAMPLES)[0]):
        torch.testing.assert_close(compiled(x), wrapped(x))
