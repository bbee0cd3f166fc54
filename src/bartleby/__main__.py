"""`python -m bartleby` is the command `bartleby`."""

from bartleby.cli import main

main()
