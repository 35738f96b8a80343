# Tests of apps/
