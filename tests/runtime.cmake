# Tests of runtime/
