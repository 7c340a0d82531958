"""One file per implementation: ``<backend>_<variant>.py`` registers ``<backend>.<variant>``."""
