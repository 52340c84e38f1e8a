"""How a definition is checked; `pipelines.check` is the way in.

The form is the model's business (`shape`, `wording`). The meaning is looked at in the raw document,
so that one misspelt key does not hide the rest: `outline` finds the steps, `scopes` what each may
name, `uses` and `request_check` what it does name, `cel_*` what its expressions mean. Everything
comes out as a `Finding`, which `placing` puts to line and column. To add a check: a function that
yields findings, its call in `meaning`, and wrong definitions in `tests/unit/pipelines`.
"""
