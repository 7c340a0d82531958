"""Where the cases of a run are measured: on this machine, or on others through dask."""
