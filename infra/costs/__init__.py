"""What an installation costs, and where it meets its first limit: ``python -m infra.costs``."""
