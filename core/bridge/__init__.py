"""A third track out of two: their segments in, what lies between them out."""
