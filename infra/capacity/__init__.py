"""How long jobs wait for a GPU, and what it costs that they wait no longer: ``python -m infra.capacity``."""
