"""Push and load by the real ``huggingface_hub``, against a Hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason='needs the extra "hub"')

from _local_hub import local_hub

ROOT = Path(__file__).parents[2]

# Its address is read when the library is imported: a process of its own.
USER = """
import sys
import torch
import leaf_port as lp
from leaf_port.errors import LeafError

def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)

first, second = lp.Leaf(n_filters=4), lp.Leaf(n_filters=6)
with torch.no_grad():
    first.complex_conv.kernel.mul_(1.01)
place = {"cache_dir": sys.argv[1], "token": "hf_none"}
pushed = first.push_to_hub("me/my-leaf", token="hf_none")
print(same(lp.Leaf.from_pretrained("me/my-leaf", **place), first))
try:
    second.push_to_hub("me/my-leaf", token="hf_none")
except LeafError as error:
    print(error)
second.push_to_hub("me/my-leaf", token="hf_none", overwrite=True, commit_message="Six filters")
print(same(lp.Leaf.from_pretrained("me/my-leaf", **place), second))
commit = pushed.rsplit("/", 1)[-1]
print(same(lp.Leaf.from_pretrained("me/my-leaf", revision=commit, **place), first))
print(same(lp.Leaf.from_pretrained("me/my-leaf", local_files_only=True, **place), second))
try:
    lp.Leaf.from_pretrained("me/other", **place)
except LeafError as error:
    print(error)
"""


def test_pushed_refused_replaced_and_loaded(tmp_path: Path) -> None:
    with local_hub() as hub:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "0",
        }
        command = [sys.executable, "-c", USER, str(tmp_path / "cache")]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        loaded, taken, *later, missing = done.stdout.splitlines()
        assert loaded == "True"
        assert "model.safetensors" in taken
        assert "overwrite=True" in taken
        assert later == ["True", "True", "True"]
        assert "check the name" in missing
        found = hub.repositories["me/my-leaf"]
    assert found.messages == ["Upload Leaf", "Six filters"]
    files = found.files("main")
    assert set(files) == {"README.md", "config.json", "model.safetensors"}
    assert json.loads(files["config.json"])["arguments"]["n_filters"] == 6
