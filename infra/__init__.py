"""How Stemworks gets to where it runs, and what checks that it would: see ``infra/README.md``."""
