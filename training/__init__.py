"""Training of the bridge model: a folder of music in, a checkpoint that the encodec engine loads out."""
