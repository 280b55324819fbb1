"""Questions about a job, answered from what is on record of it and from nothing else."""
