"""The command line: `everflow run`, `everflow check`, `everflow doctor`."""
