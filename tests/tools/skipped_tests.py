#!/usr/bin/env python3
"""Lists the tests that ctest skipped, grouped by the reason that each gave.

usage: skipped_tests.py TESTS.xml     the file that ctest --output-junit wrote
"""

import collections
import re
import sys
import xml.etree.ElementTree as ElementTree

SHOWN_NAMES = 3


def skip_reason(output):
    """The message of GTEST_SKIP() or of a program that printed "SKIP: reason"."""
    match = re.search(r":\d+: Skipped\n(.*?)\n(?:\n|\[)", output, re.S)
    if match and match.group(1).strip():
        return " ".join(match.group(1).split())
    match = re.search(r"^SKIP: (.*)$", output, re.M)
    return match.group(1).strip() if match else "no reason given"


def skipped(path):
    """{reason: [test, ...]} in the order of the file."""
    reasons = collections.OrderedDict()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            output = case.findtext("system-out") or ""
            reasons.setdefault(skip_reason(output), []).append(case.get("name").split("  #")[0])
    return reasons


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    reasons = skipped(sys.argv[1])
    print(f"{sum(map(len, reasons.values()))} tests skipped")
    for reason, names in reasons.items():
        more = f", and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        print(f"  {len(names)} x {reason}: {', '.join(names[:SHOWN_NAMES])}{more}")


if __name__ == "__main__":
    main()
