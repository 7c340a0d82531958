"""Exit codes of the command line, each defined once; README.md lists them for every verb.

The module imports nothing, because noxfile.py runs it where the package is not installed.
"""

OK = 0

REGRESSION = 1  # compare and run --ab: some case is slower
NOT_REPRODUCED = 1  # reproduce: too few ratios agree
DIFFERS = 1  # verify: something differs

NOT_POSSIBLE = 2  # a case failed, or the request cannot be carried out; as usual for wrong usage

CONTROLS_FAILED = 3  # run: the controls contradict the intervals
ONLY_AMBIGUOUS = 3  # compare: no case has a clear verdict

WRONG_RESULT = 4  # an implementation did not compute the LSTM
NOTHING_MEASURED = 5  # run: every case was skipped
AB_AMBIGUOUS = 6  # run --ab: no workload has a clear verdict; 3 is taken there

INTERNAL_ERROR = 70  # lstmbench itself failed; EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells report it

RUN_MEANINGS = {
    NOT_POSSIBLE: "some cases failed, or the suite could not be measured",
    CONTROLS_FAILED: "the controls failed: do not trust the intervals",
    WRONG_RESULT: "an implementation did not compute the LSTM",
    NOTHING_MEASURED: "nothing was measured: every case was skipped",
    INTERNAL_ERROR: "lstmbench itself failed",
}
"""How a run ends if not all went well."""
