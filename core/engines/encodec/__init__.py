"""The bridge engine with a model: a transformer between the encoder and the decoder of EnCodec."""
