"""Does LEAF learn? The data, the models and the figures of the study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _recordings import speech_commands
from scipy import stats
from typer.testing import CliRunner

from leaf_port import Leaf, LeafError
from leaf_port.training import read_corpus
from parity.commands.accuracy import one_file
from parity.commands.accuracy.experiment import Experiment
from parity.commands.app import app
from parity.commands.study import cells, centers, command, keywords, movement, report, variants
from parity.commands.study.cells import AUTRAINER, EXACT, FASTER, FROZEN, MEL, SPEECHBRAIN, Cell
from parity.commands.study.command import Options
from parity.spec.random_arrays import Source

RATE = 8000


def _silent(_: str) -> None:
    pass


def _model(variant: str, initial: str = "mel") -> Any:
    return variants.build(Cell("keywords", variant, initial, 0), RATE, 3)


def test_cells() -> None:
    assert len(list(cells.chosen(["fsdd", "keywords"], [], [], []))) == 2 * 3 * (4 * 4 + 1)
    found = [cell.name for cell in cells.chosen(["keywords"], [EXACT, MEL], ["bark", "mel"], [4])]
    expected = ["exact-bark-4", "exact-mel-4", "mel_filterbanks-mel-4"]
    assert found == [f"keywords-{name}" for name in expected]
    for given in (["best"], [], []), ([], ["gammatone"], []), ([], [], [-1]):
        with pytest.raises(LeafError, match="study"):
            list(cells.chosen(["keywords"], *given))


def _power(samples: Any) -> tuple[Any, Any]:
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    return np.fft.rfftfreq(len(samples), 1.0 / RATE), spectrum


@pytest.mark.parametrize("number", range(len(keywords.PATHS)))
def test_a_keywords_information_lies_in_its_band(number: int) -> None:
    hertz, power = _power(keywords.keyword(number, Source(number), 4000))
    low, high = keywords.GUARD
    inside = power[(hertz >= low) & (hertz <= high)].sum()
    assert inside / power.sum() > 0.995


def test_the_planted_noise_lies_outside_and_is_louder() -> None:
    made = keywords.noise(Source(1), 1 << 16)
    hertz, power = _power(made)
    inside = (hertz >= keywords.GUARD[0]) & (hertz <= keywords.GUARD[1])
    total = (made**2).mean()
    share = power[inside].sum() / power.sum()
    assert 10 * np.log10(total * (1 - share)) == pytest.approx(keywords.NOISE_DB, abs=0.3)
    assert 10 * np.log10(total * share) == pytest.approx(-keywords.FLOOR_DB, abs=0.3)


def test_no_point_of_a_path_tells_a_keyword() -> None:
    for tone in (0, 1):
        ways = [path[tone] for path in keywords.PATHS]
        assert all(ways.count(way) >= 2 for way in ways)
    assert len(set(keywords.PATHS)) == len(keywords.PATHS)


def test_the_keywords_are_a_data_set_and_the_same_each_time(tmp_path: Path) -> None:
    keywords.write(tmp_path / "one", 800, (2, 1, 1))
    keywords.write(tmp_path / "two", 800, (2, 1, 1))
    corpus = read_corpus(tmp_path / "one")
    assert {name: len(items) for name, items in corpus.splits.items()} == {
        "train": 16,
        "validation": 8,
        "test": 8,
    }
    for file in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_variants_start_from_the_same_encoder() -> None:
    first, second = (_model(name).encoder.state_dict() for name in (EXACT, AUTRAINER))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_ports_faults_change_the_features() -> None:
    wave = torch.from_numpy(Source(3).audio(2, 4000))
    exact = _model(EXACT).frontend(wave)
    for variant in (SPEECHBRAIN, AUTRAINER):
        away = (_model(variant).frontend(wave) - exact).norm() / exact.norm()
        assert away > 0.05
    assert torch.equal(_model(FASTER).frontend(wave), exact)
    assert torch.equal(_model(FROZEN).frontend(wave), exact)


def test_the_unclipped_smoother_is_the_recurrence() -> None:
    smoother = variants.UnclippedMovingAverage(3, 0.04, True, True)
    with torch.no_grad():
        smoother.smooth.copy_(torch.tensor([-0.2, 0.5, 1.3]))
    x = torch.rand(2, 7, 3)
    state, expected = x[:, 0], []
    for t in range(7):
        state = smoother.smooth * x[:, t] + (1 - smoother.smooth) * state
        expected.append(state)
    found = smoother(x, x[:, 0])
    torch.testing.assert_close(found, torch.stack(expected, 1))


def test_autrainers_widths_follow_the_bases() -> None:
    """``sigma = (rate / 2) / (next centre - last centre)``, of mel centres by formula."""
    low, high = (1127.0 * np.log1p(f / 700.0) for f in (60.0, 3900.0))
    hertz = 700.0 * np.expm1(np.linspace(low, high, 42) / 1127.0)
    kernel = _model(AUTRAINER).frontend.complex_conv.kernel.detach().numpy()
    np.testing.assert_allclose(kernel[:, 0], 2 * np.pi * hertz[1:-1] / RATE, rtol=1e-5)
    np.testing.assert_allclose(kernel[:, 1], RATE / 2 / (hertz[2:] - hertz[:-2]), rtol=1e-5)


def _stepped(variant: str, value: float) -> float:
    """A centre that was at ``value`` before a step without a gradient of its own."""
    model = _model(variant)
    made = variants.optimizer(Cell("keywords", variant, "mel", 0), model, 0.1)
    kernel = model.frontend.complex_conv.kernel
    with torch.no_grad():
        kernel[0, 0] = value
    for each in model.parameters():
        each.grad = torch.zeros_like(each) if each.requires_grad else None
    made.step()
    return float(kernel[0, 0].detach())


def test_constraints_hold_after_steps_of_the_official_alone() -> None:
    assert _stepped(EXACT, -0.5) == 0.0
    assert _stepped(FASTER, -0.5) == 0.0
    assert _stepped(SPEECHBRAIN, -0.5) == -0.5
    assert _stepped(AUTRAINER, -0.5) == -0.5


def test_filters_may_have_a_faster_rate() -> None:
    model = _model(FASTER)
    groups = variants.optimizer(Cell("keywords", FASTER, "mel", 0), model, 0.1).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 1.0])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_the_distance_is_jensens_and_shannons() -> None:
    before, after = Leaf(n_filters=3), Leaf(n_filters=3)
    np.testing.assert_array_equal(movement.distances(before, after), 0.0)
    with torch.no_grad():
        after.complex_conv.kernel[1, 0] = 3.0  # type: ignore[index, operator]
    found = movement.distances(before, after)
    assert found[0] == 0.0
    assert found[1] > 0.99  # responses that do not overlap: 1 bit
    p, q = (movement.responses("test", each).power[:, 1] for each in (before, after))
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    divergence = sum((r[r > 0] * np.log2(r[r > 0] / m[r > 0])).sum() for r in (p, q)) / 2
    assert found[1] == pytest.approx(np.sqrt(divergence))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants, of two seeds, on both data sets."""
    folder = tmp_path_factory.mktemp("study")
    data = [speech_commands(folder / name, each=9, held=3) for name in ("words", "digits")]
    options = Options(folder / "out", data, 1, 0.2, (4, 1, 1), batch_size=16)
    chosen = list(cells.chosen(["words", "keywords"], [EXACT, FROZEN, MEL], ["mel"], [0, 1]))
    assert command.run(options, chosen, _silent)
    return folder / "out"


def test_a_cell_tells_what_moved(finished: Path) -> None:
    result = json.loads((finished / "results" / "keywords-exact-mel-0.json").read_text())
    moved = result["final"]["moved"]
    assert moved["center_frequencies"] > 0
    assert moved["distance"] > 0
    assert len(result["final"]["parameters"]["alpha"]) == 40
    still = json.loads((finished / "results" / "keywords-frozen-mel-0.json").read_text())
    assert still["final"]["moved"] == {"center_frequencies": 0, "bandwidths": 0, "distance": 0}
    assert still["final"]["parameters"]["root"] != [2.0] * 40  # PCEN is trained all the same


def test_the_report(finished: Path) -> None:
    written = command.write_report(finished)
    assert [path.name for path in written] == [
        "study.md",
        "accuracy-words.png",
        "filters-words.png",
        "accuracy-keywords.png",
        "filters-keywords.png",
    ]
    text = written[0].read_text()
    assert "over mel: `exact` minus `frozen`" in text
    assert "mel: `exact` minus `frozen`" in text
    assert "over mel: `exact` minus `mel_filterbanks`" in text
    assert "Share of the filters" in text
    assert text.count("| `exact` | +") + text.count("| `exact` | -") == 2  # the agreement of seeds
    assert all(path.read_bytes()[1:4] == b"PNG" for path in written[1:])
    results = [json.loads(path.read_text()) for path in sorted((finished / "results").iterdir())]
    inside = report._in_band(next(each for each in results if each["variant"] == FROZEN))
    centers = Leaf.for_sample_rate(RATE).center_frequencies()
    expected = ((centers >= keywords.BAND[0]) & (centers <= keywords.BAND[1])).double().mean()
    assert inside == pytest.approx(100 * float(expected))


def _moved(initial: Any, by: Any, variant: str = EXACT) -> dict[str, Any]:
    parameters = {"center_frequencies": (initial + by).tolist()}
    told = {"data": "words", "variant": variant, "initial": "mel", "seed": 0, "sample_rate": RATE}
    return {**told, "best": {"parameters": parameters}}


def test_the_agreement_of_seeds_is_pearsons() -> None:
    initial = Leaf.for_sample_rate(RATE).center_frequencies().double().numpy()
    source = Source(5)
    one, two, three = (source.normal((40,)) for _ in range(3))
    found = centers.agreement([_moved(initial, each) for each in (one, two, three)])
    pairs = [(one, two), (one, three), (two, three)]
    expected = np.mean([stats.pearsonr(*pair).statistic for pair in pairs])
    assert found == pytest.approx(expected, rel=1e-6)
    alike = centers.agreement([_moved(initial, each) for each in (one, 2 * one)])
    assert alike == pytest.approx(1.0)
    assert centers.agreement([_moved(initial, one)]) is None
    still = [_moved(initial.round(5), 0 * one, FROZEN) for _ in range(2)]
    assert centers.agreement(still) is None


def test_a_training_that_diverges_is_a_result(tmp_path: Path) -> None:
    data = [speech_commands(tmp_path / "words", each=9, held=3)]
    options = Options(tmp_path / "out", data, 1, 0.2, batch_size=1, learning_rate=1e30)
    assert command.run(options, list(cells.chosen(["words"], [EXACT], ["mel"], [0])), _silent)
    (path,) = (tmp_path / "out" / "results").iterdir()
    result = json.loads(path.read_text())
    assert result["epochs"] == []
    assert "epoch 1, step" in result["diverged"]
    text = command.write_report(tmp_path / "out")[0].read_text()
    assert f"`exact` from mel, seed 0: {result['diverged']}; it counts nowhere." in text


def test_epochs_before_a_loss_that_is_not_finite_count() -> None:
    result = {"variant": EXACT, "initial": "bark", "seed": 2, "best": {}, "diverged": "loss: nan"}
    assert report.trained([result]) == [result]
    (line,) = report._diverged([result])
    assert line == "`exact` from bark, seed 2: loss: nan; the best epoch before it counts."


def test_bad_input(tmp_path: Path) -> None:
    for folders in ["a/one", "b/one"], ["a/keywords"]:
        with pytest.raises(LeafError, match="different names"):
            command.names([tmp_path / each for each in folders])
    with pytest.raises(LeafError, match="one of one, keywords"):
        command.names([tmp_path / "one"], ["two"])
    assert command.run(Options(tmp_path / "out"), [], _silent)
    with pytest.raises(LeafError, match="finished trainings"):
        command.write_report(tmp_path / "out")


def test_one_file_has_what_tables_and_pictures_show(finished: Path, tmp_path: Path) -> None:
    """A folder that is made from it gives the same report, and trainings go on from there."""
    file, again = tmp_path / "study.jsonl", tmp_path / "again"
    arguments = ["study", "--out", str(finished), "--save", str(file)]
    assert CliRunner().invoke(app, arguments).stdout == f"{file}: 12 trainings\n"
    arguments = ["study", "--out", str(again), "--load", str(file), "--report"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    written = command.write_report(finished)
    for path in written:
        assert path.read_bytes() == (again / "report" / path.name).read_bytes()
    (again / "results" / "keywords-exact-mel-0.json").unlink()
    assert one_file.load(file, Experiment(again, "study"), "study") == 1
    assert one_file.load(file, Experiment(again, "study"), "study") == 0


def test_one_file_grows_and_loses_nothing(finished: Path, tmp_path: Path) -> None:
    file, part = tmp_path / "study.jsonl", tmp_path / "part"
    shutil.copytree(finished, part)
    name = "keywords-exact-mel-0"
    (part / "results" / f"{name}.json").unlink()
    assert one_file.save(Experiment(part, "study"), file, "study") == 11
    assert one_file.save(Experiment(finished, "study"), file, "study") == 12
    whole = file.read_bytes()
    assert one_file.save(Experiment(part, "study"), file, "study") == 12
    assert file.read_bytes() == whole


def test_one_file_is_of_one_experiment(finished: Path, tmp_path: Path) -> None:
    """Other settings, another result, another file: each is refused, and the file stays."""
    file, other = tmp_path / "study.jsonl", tmp_path / "other"
    one_file.save(Experiment(finished, "study"), file, "study")
    whole = file.read_bytes()
    shutil.copytree(finished, other)
    path = other / "results" / "keywords-exact-mel-0.json"
    path.write_text(path.read_text().replace('"threads": 1', '"threads": 2'))
    with pytest.raises(LeafError, match="one result of keywords-exact-mel-0"):
        one_file.save(Experiment(other, "study"), file, "study")
    path = other / "experiment.json"
    path.write_text(path.read_text().replace('"epochs": 1', '"epochs": 2'))
    with pytest.raises(LeafError, match="got other settings"):
        one_file.save(Experiment(other, "study"), file, "study")
    with pytest.raises(LeafError, match="epochs"):
        one_file.load(file, Experiment(other, "study"), "study")
    assert file.read_bytes() == whole
    head = '{"format_version": 1}\n'
    for text in "", "[]\n", "{}\n", head.replace("1", "2"), f'{head}{{"epochs": [2]}}\n', "no\n":
        broken = tmp_path / "broken.jsonl"
        broken.write_text(text)
        with pytest.raises(LeafError, match="that --save wrote"):
            one_file.load(broken, Experiment(tmp_path / "new", "study"), "study")


def test_the_published_figures_are_those_of_the_data(tmp_path: Path) -> None:
    """``docs/trained/study.md`` is the report of the trainings in the file beside it."""
    published = Path(__file__).parents[2] / "docs" / "trained"
    experiment = Experiment(tmp_path / "study", "study")
    one_file.load(published / "study.jsonl", experiment, "study")
    names = [path.name for path in command.write_report(tmp_path / "study")]
    assert sorted(names) == sorted(path.name for path in published.glob("*") if path.name in names)
    made = (tmp_path / "study" / "report" / "study.md").read_text(encoding="utf-8")
    assert made == (published / "study.md").read_text(encoding="utf-8")
