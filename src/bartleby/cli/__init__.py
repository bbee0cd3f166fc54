"""The `bartleby` command."""
