"""Each script and notebook of ``examples/`` runs by itself, and does what it is there for."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
RUNNER = ROOT / "tests" / "support" / "_run_example.py"
SECONDS = 300  # for a busy machine; alone, most take five
# By example: the packages that leaf-port[cli,convert,parity] does not have, and what it prints.
EXPECTED = {
    "accelerate_training.py": (("accelerate",), r"epoch 2: .*\nfilters from \d+ to \d+ Hz"),
    "convert_and_verify.py": ((), r"32 weights.*\n\d+ comparisons .*\nlogits: \(1, 3\)\nleaf.pt2"),
    "convert_and_verify.ipynb": (("nbclient", "ipykernel"), r"ok: True judged: True"),
    "features_and_filters.ipynb": (("nbclient", "ipykernel"), "2 pictures"),
    "features_of_recordings.py": ((), r"low.wav: \(50, 40\) .* (29\d|30\d|31\d) Hz"),
    "filters_picture.py": ((), r"filters.png: centres moved by up to \d+ Hz"),
    "huggingface_extractor.py": (("transformers",), r"input_values: \(16, 40, 40\)\nstep 0"),
    "onnxruntime_example.py": (("onnxruntime", "onnxscript"), "50 frames, 8 filters"),
    "speechbrain_example.py": (("speechbrain", "torchaudio"), r"epoch 3: loss 0\.\d+"),
    "timm_encoder.py": (("timm",), r"resnet10t: 512 channels"),
    "train_loop.py": ((), r"validation: \d+ of \d+ right"),
}
LOSS = re.compile(r"loss (\d+\.\d+)")
TRAINS = {
    "accelerate_training.py",
    "huggingface_extractor.py",
    "speechbrain_example.py",
    "timm_encoder.py",
    "train_loop.py",
}


def run(name: str, folder: Path, *, needs: tuple[str, ...] = ()) -> str:
    """What an example prints, run in a folder of its own."""
    for package in (*needs, "soundfile", "matplotlib", "safetensors", "typer", "scipy"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: tox run -e examples")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "agg"}
    if name.endswith(".ipynb"):
        del environment["MPLBACKEND"]  # pictures appear in the notebook
    done = subprocess.run(
        [sys.executable, RUNNER, EXAMPLES / name, *needs],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", EXPECTED)
def test_it_runs(name: str, tmp_path: Path) -> None:
    needs, expected = EXPECTED[name]
    printed = run(name, tmp_path, needs=needs)
    assert re.search(expected, printed), printed
    if name in TRAINS:
        losses = [float(each) for each in LOSS.findall(printed)]
        assert losses[-1] < losses[0], printed
    written = {path.name for path in tmp_path.iterdir()}
    assert written == ({"filters.png"} if name == "filters_picture.py" else set())


def test_all_are_run() -> None:
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert found == EXPECTED.keys()
    assert all(f"examples/{name}" in integrations() for name in EXPECTED)


def integrations() -> str:
    return (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_it_says_how_it_is_run(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert f"python examples/{path.name}" in (ast.get_docstring(tree) or "")
    assert "main" in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_hold_no_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_a_picture_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "filters.png").write_bytes(b"mine")
    with pytest.raises(AssertionError, match=r"filters.png exists"):
        run("filters_picture.py", tmp_path)
    assert (tmp_path / "filters.png").read_bytes() == b"mine"
