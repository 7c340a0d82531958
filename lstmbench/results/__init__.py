"""The results of runs: records, raw samples, manifests and checksums."""
