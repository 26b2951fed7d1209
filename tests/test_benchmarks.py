"""The parts of the benchmark command that measure nothing: choosing, comparing, summing up, printing."""

import sys

import numpy as np
import pytest

from benchmarks import arrays, crew, measure, memory_flat, table
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
        "everflow": {"median": everflow, "fingerprint": [1.0, 2.0]},
        "tensorflow": {"median": tensorflow, "fingerprint": [1.0, 2.0]},
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
    found["everflow"]["fingerprint"] = [1.0, 2.1]
    assert "everflow's result differs from tensorflow's" in table.difference(workload, found)[0]
    found["everflow"]["fingerprint"] = [np.nan, 2.0]
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
    assert fingerprint([[1.0, -3.0]]) == [-1.0, 2.0, 1.0, -3.0]


def test_arrays_are_the_same_each_time():
    np.testing.assert_array_equal(arrays.normal(3, 2, seed=1), arrays.normal(3, 2, seed=1))
    cycle = arrays.batches(lambda seed: seed, count=2)
    assert [next(cycle) for _ in range(3)] == [0, 1, 0]


def test_memory_growth_counts_from_the_settled_steps():
    assert memory_flat.growth([(50, 10.0), (100, 20.0), (200, 20.5)]) == 0.5
