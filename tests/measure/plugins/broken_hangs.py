"""A plug-in whose import never ends."""

import threading

threading.Event().wait()
