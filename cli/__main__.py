"""`python -m cli` is `perdure`."""

from cli.main import main

main()
