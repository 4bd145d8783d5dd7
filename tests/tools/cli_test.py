#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cli_test.py TOOLS MODULE [unittest's arguments]: the command contract, line by line, against real processes.

TOOLS is the folder with stele and steled; MODULE one of the files cli_*.py beside this one.
"""
import os
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    os.environ['STELE_TOOLS'] = os.path.abspath(sys.argv[1])
    sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'support')]
    unittest.main(module=sys.argv[2], argv=[sys.argv[0], *sys.argv[3:]])
