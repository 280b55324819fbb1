"""What Stemworks does; knows nothing of Azure Functions and FastAPI, which call it."""

__version__ = "0.1.0"
