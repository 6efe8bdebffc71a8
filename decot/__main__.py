"""`python -m decot` is the command line."""

from decot.cli import main

main()
