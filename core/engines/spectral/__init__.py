"""The default separation engine: soft masks on the spectrogram, with numpy and no weights."""
