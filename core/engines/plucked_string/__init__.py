"""The default engine of single notes: plucked strings as sums of their modes, with numpy alone."""
