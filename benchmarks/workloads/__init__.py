"""One file per family of workloads; `benchmarks.registry.load_workloads` imports them all."""
