"""`python -m decot` is the command line."""

from decot.cli.main import main

main()
