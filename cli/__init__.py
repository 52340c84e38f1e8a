"""The `perdure` command: what a person or a script types at a terminal.

The room owns words, tables, colours, exit codes and signals. Its client half (`run`, `watch`,
`status`, `result`, `cancel`, `list`, `pipelines`, `providers`, `budget`, `costs`) knows the product
only as the HTTP API of the contract and imports no other room: whatever it can show, any client can
show. What a pipeline, a provider or a budget *is* never belongs here, and neither does a rule that
the API does not enforce.

    main     the root group, loaded lazily           errors   the tree of failures and exit codes
    lazy     the group that imports on demand        options  `--api-url`, `--api-key`, identifiers
    client   requests, with retries                  stream   events over WebSocket, resumed
    progress events folded to a run (pure)           follow   stream -> progress -> screen
    screens  what a follower sees: live or lines     steps    the step table, as lines of text
    render   a result as people read it              figures  money, times, foreign text
    output   consoles and JSON on stdout

To add a command: write a click command in a module of its own or beside its kin, and give it a
row in `cli.main.COMMANDS` (name, `module:attribute`, one line of help). Import what is heavy in
that module, never in `main` or `lazy`: `perdure --help` answers within 0.3 s and a test looks at
`sys.modules`. End with `ctx.exit(code)` where 0 is not the answer, and raise a
`cli.errors.CliError` for what the user can mend.
"""
