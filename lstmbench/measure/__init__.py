"""From a suite to records: cases, worker processes, rounds, metrics."""
