"""The reference page of the definition language, `docs/reference/definition.md`.

Its prose is written by hand. What the code knows better (keys, bounds, functions, reserved words)
stands between a pair of comments and is written by `python -m pipelines.reference`. To add such a
part: a function in `tables` or `expressions`, its name in `page`, and the comments in the page.
"""
