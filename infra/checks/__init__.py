"""What can be told of ``infra/`` without a cloud: ``python -m infra.checks``.

Each module with a ``check() -> list[Fault]`` is one subject; ``__main__`` finds them by that name.
"""
