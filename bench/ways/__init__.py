"""The ways of running a job that ``bench.overhead`` compares. Each is an HTTP server that takes jobs by POST."""

THREADS = 6
"""How many jobs each way runs at a time: what host.json allows one queue function (batchSize + newBatchThreshold)."""
