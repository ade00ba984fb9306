"""``kite loadtest``: a load of a known size through the real path, judged against what was asked of it.

``plan`` says what is run, ``run`` runs it, ``figures`` is what comes out, ``slo`` and ``judge`` say whether it will do,
``table`` and ``report`` show it; ``limit`` looks for the most that still does.
"""
