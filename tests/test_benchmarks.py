"""The parts of the benchmark command that measure nothing: choosing, comparing, summing up, printing."""

import json
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import everflow
from benchmarks import arrays, chart, crew, layers, measure, memory_flat, table, training
from benchmarks.__main__ import main, parse_arguments, selected
from benchmarks.registry import FRAMEWORKS, WORKLOADS, Workload, load_workloads
from benchmarks.worker import fingerprint


@pytest.fixture
def workload():
    made = Workload("made for a test", at_most={"tensorflow": 0.5})
    yield made
    del WORKLOADS[made.name]


def row(everflow=1e-6, tensorflow=4e-6):
    return {
        "everflow": {"median": everflow, "fingerprint": [[1.0, 2.0], [100.0]]},
        "tensorflow": {"median": tensorflow, "fingerprint": [[1.0, 2.0], [100.0]]},
    }


def test_every_workload_has_a_side_of_everflow_and_tensorflow():
    for made in load_workloads().values():
        assert {"everflow", "tensorflow"} <= set(made.builders), made.name


def test_patterns_choose_by_part_of_the_name_or_as_globs():
    workloads = load_workloads()
    assert [w.name for w in selected(workloads, ["ADD 10"])] == ["eager add 10x10"]
    assert [w.name for w in selected(workloads, ["eager m*"])] == ["eager matmul 10x10"]
    assert len(selected(workloads, [])) == len(workloads)


def test_list_prints_names_and_frameworks(capsys):
    assert main(["--list", "--only", "eager add"]) == 0
    printed = capsys.readouterr().out
    assert printed.split() == ["eager", "add", "10x10", "everflow,", "tensorflow,", "torch,", "jax"]


def test_no_match_is_an_error(capsys):
    assert main(["--only", "no such workload"]) == 2
    assert "no workload matches" in capsys.readouterr().err


def test_rounds_must_be_positive():
    with pytest.raises(SystemExit):
        parse_arguments(["--rounds", "0"])


def test_interpreters_come_from_options_then_the_environment_then_this_one(monkeypatch):
    for name in FRAMEWORKS:
        monkeypatch.delenv(f"EVERFLOW_BENCH_{name.upper()}", raising=False)
    monkeypatch.setenv("EVERFLOW_BENCH_JAX", "/jax/python")
    found = crew.interpreters(["torch=/torch/python"])
    assert found == {
        "everflow": sys.executable,
        "tensorflow": sys.executable,
        "torch": "/torch/python",
        "jax": "/jax/python",
    }
    with pytest.raises(ValueError, match="NAME=PATH"):
        crew.interpreters(["caffe=/python"])


def test_a_missing_module_is_not_importable():
    assert crew.importable(sys.executable, "json")
    assert not crew.importable(sys.executable, "no_such_module_anywhere")
    assert not crew.importable("/no/such/python", "json")


def test_ratio_is_starred_when_it_misses_the_aim(workload):
    text = table.render([workload], {workload.name: row(everflow=3e-6)}, ["everflow", "tensorflow"])
    assert "0.75*" in text
    assert text.endswith("* more than everflow aims at")
    assert "0.25 " in table.render([workload], {workload.name: row()}, ["everflow", "tensorflow"])


def test_failures_and_absences_have_cells_of_their_own(workload):
    rows = {workload.name: {"everflow": {"error": "no"}}}
    text = table.render([workload], rows, ["everflow", "tensorflow"])
    assert text.splitlines()[-1].split()[-2:] == ["failed", "-"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.9e-6, "s", "8.90 us"),
        (1.4e-2, "s", "14.0 ms"),
        (3.7, "s fresh", "3.70 s"),
        (488.2, "MiB", "488 MiB"),
    ],
)
def test_quantities_are_written_for_people(value, unit, text):
    assert table.quantity(value, unit) == text


def test_different_results_are_reported(workload):
    found = row()
    assert table.difference(workload, found) == []
    found["everflow"]["fingerprint"] = [[1.0, 2.1], [100.0]]
    assert "everflow's result differs from tensorflow's" in table.difference(workload, found)[0]
    for other in ([[np.nan, 2.0], [100.0]], [[1.0, 2.0], [np.nan]], [[1.0, 2.0]], [[1.0], [100.0]]):
        found["everflow"]["fingerprint"] = other
        assert len(table.difference(workload, found)) == 1


def test_summary_is_of_quartiles():
    assert measure.summary([4.0, 1.0, 2.0, 3.0, 5.0]) == {
        "median": 3.0, "lower_quartile": 2.0, "upper_quartile": 4.0, "lowest": 1.0,
    }
    assert measure.summary([2.0])["lower_quartile"] == 2.0


def test_a_turn_takes_as_many_samples_as_batches():
    calls = []
    taken = measure.turn(lambda: calls.append(1), lambda output: None, 0.5, batches=3, seconds=3.0)
    assert len(taken["wall"]) == 3
    assert taken["steps"] == len(calls) == 6


def test_fingerprints_tell_values_apart():
    assert fingerprint(np.array([[1.0, -3.0]])) == [[-1.0, 2.0, 1.0, -3.0]]
    assert fingerprint([np.array([1.0]), np.array([2.0])]) == [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]


def test_arrays_are_the_same_each_time():
    np.testing.assert_array_equal(arrays.normal(3, 2, seed=1), arrays.normal(3, 2, seed=1))
    cycle = arrays.batches(lambda seed: seed, count=2)
    assert [next(cycle) for _ in range(3)] == [0, 1, 0]


def test_memory_growth_counts_from_the_settled_steps():
    assert memory_flat.growth([(50, 10.0), (100, 20.0), (200, 20.5)]) == 0.5


def test_processor_time_and_peak_memory_have_a_table_of_their_own(workload):
    rows = {workload.name: row()}
    rows[workload.name]["everflow"] |= {"processor": 2.5e-3, "peak_bytes": 300 * 2**20}
    text = table.render_resources([workload], rows, ["everflow", "tensorflow"])
    assert text.splitlines()[-1].split()[-4:] == ["ms", "300", "MiB", "-"]
    assert table.render_resources([workload], {}, ["everflow"]) == ""


def run_of(rows):
    return {"frameworks": {"tensorflow": {"version": "2.x"}}, "rows": rows}


def test_a_chart_has_a_mark_per_peer_and_row():
    rows = {"a < b": row(everflow=1e-6), "c": row(everflow=8e-6), "d": {"everflow": {"error": "no"}}}
    svg = chart.chart(run_of(rows))
    texts = [e.text for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"a < b", "c", "tensorflow 2.x"} <= set(texts)
    assert "d" not in texts
    circles = list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 3  # one of them explains
    assert float(circles[1].get("cx")) < float(circles[2].get("cx"))


def test_a_chart_without_anything_to_compare_is_an_error(tmp_path, capsys):
    with pytest.raises(ValueError, match="found none"):
        chart.chart(run_of({}))
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run_of({})))
    assert chart.main([str(path), str(tmp_path / "chart.svg")]) == 2
    assert "found none" in capsys.readouterr().err


def test_a_chart_is_made_of_a_kept_run(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run_of({"a": row()})))
    assert chart.main([str(path), str(tmp_path / "chart.svg")]) == 0
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
    with pytest.raises(SystemExit):
        parse_arguments(["--chart", "picture.gif"])


def small_training():
    def loss(layers, parameters, x, y):
        take = iter(parameters).__next__
        x = layers.relu(layers.batch_norm(layers.conv(x, take(), 2), take(), take()))
        x = layers.depthwise(x, take())
        return layers.cross_entropy(layers.dense(layers.mean_over_image(x), take(), take()), y)

    def parameters():
        return [
            layers.Parameter(arrays.weight(3, 3, 2, 4), "kernel"),
            layers.Parameter(np.ones(4, np.float32)), layers.Parameter(np.zeros(4, np.float32)),
            layers.Parameter(arrays.normal(3, 3, 4, 1), "depthwise"),
            layers.Parameter(arrays.weight(4, 3)), layers.Parameter(np.zeros(3, np.float32)),
        ]

    def data():
        return arrays.batches(lambda seed: (arrays.normal(4, 8, 8, 2), arrays.labels(4, 3)), count=1)

    return training.Training(loss, parameters, data, rate=0.1)


def test_a_described_network_trains_alike_as_a_function_and_in_a_session():
    by_function, by_session = small_training().by_function(everflow), small_training().by_session(everflow)
    losses = [by_function.step() for _ in range(4)]
    np.testing.assert_allclose([by_session.step() for _ in range(4)], losses, rtol=1e-5)
    assert losses[3] < losses[0]


def test_a_described_network_trains_alike_in_jax():
    jax = pytest.importorskip("jax")
    by_function, by_jax = small_training().by_function(everflow), small_training().by_jax(jax)
    np.testing.assert_allclose(
        [by_jax.step() for _ in range(3)], [by_function.step() for _ in range(3)], rtol=1e-4
    )
