"""What is claimed about speed and quality, as programs that measure it.

`python -m benchmarks` runs all that need no key and writes `benchmarks/results.json`; each is
runnable on its own too. Never a test: figures depend on the machine, and say so by a baseline that
is measured beside them. To add one: a module here with a function `benchmark` that yields a
`Result` for each claim, and its name in `benchmarks.__main__`.
"""
