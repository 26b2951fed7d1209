"""The command line: `everflow run`, `everflow doctor`."""
