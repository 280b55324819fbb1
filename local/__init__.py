"""The development stack: the Azurite storage emulator, and a Functions host in one Python process.

It is there for `make run`, `make serve` and the tests. In Azure the real host runs the same app.
"""
