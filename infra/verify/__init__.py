"""What can be told of an installation from outside: ``python -m infra.verify URL`` (``make verify-deployment URL=…``).

``service`` asks the address, ``end_to_end`` runs ``tests/e2e`` against it, ``wake`` sends it a job for the GPU, and
``cloud`` asks Azure for the resources of a group: its scale rules above all, whose absence no request shows before a
queue is full and nothing wakes up.
"""
